"""Queries on aggregates and the hosts in them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from nova_lite import errors
from nova_lite.db.engine import Tx
from nova_lite.db.tables.inventory import claims, hosts
from nova_lite.db.tables.placement import aggregate_hosts, aggregates
from nova_lite.db.tables.servers import servers

Row = sa.RowMapping


def select_aggregates(tx: Tx, aggregate_id: int | None = None) -> Sequence[Row]:
    """Read aggregates by id, one or all."""
    query = sa.select(aggregates).order_by(aggregates.c.id)
    if aggregate_id is not None:
        query = query.where(aggregates.c.id == aggregate_id)
    return tx.execute(query).mappings().all()


def lock_aggregates(tx: Tx) -> None:
    """Let one transaction at a time change what is in aggregates: a host's zone depends on all that it is in."""
    tx.execute(sa.select(aggregates.c.id).order_by(aggregates.c.id).with_for_update()).all()


def select_members(tx: Tx) -> dict[int, list[str]]:
    """Read the hosts of every aggregate, by name."""
    found: dict[int, list[str]] = {}
    for row in tx.execute(sa.select(aggregate_hosts).order_by(aggregate_hosts.c.host)):
        found.setdefault(row.aggregate_id, []).append(row.host)
    return found


def insert_aggregate(tx: Tx, values: Mapping[str, Any]) -> int:
    """Add an aggregate; give its id. Raises: Conflict when its name is taken."""
    with _named(tx, values["name"]):
        key = tx.execute(aggregates.insert().values(dict(values))).inserted_primary_key
    assert key is not None  # noqa: S101 - the engines give the key of every row that they make
    return int(key[0])


def update_aggregate(tx: Tx, aggregate_id: int, values: Mapping[str, Any]) -> bool:
    """Change columns; False when there is no such aggregate. Raises: Conflict when its name is taken."""
    change = aggregates.update().where(aggregates.c.id == aggregate_id).values(dict(values))
    if "name" not in values:
        return tx.execute(change).rowcount == 1
    with _named(tx, values["name"]):
        return tx.execute(change).rowcount == 1


@contextlib.contextmanager
def _named(tx: Tx, name: str) -> Iterator[None]:
    """Write what must have a name of its own."""
    try:
        with tx.part(exc.IntegrityError):
            yield
    except exc.IntegrityError as error:
        raise errors.Conflict(f"Aggregate {name} already exists.") from error


def delete_aggregate(tx: Tx, aggregate_id: int) -> bool:
    """Remove an aggregate that has no hosts."""
    return tx.execute(aggregates.delete().where(aggregates.c.id == aggregate_id)).rowcount == 1


def insert_member(tx: Tx, aggregate_id: int, host: str) -> None:
    """Put a host into an aggregate."""
    tx.execute(aggregate_hosts.insert(), {"aggregate_id": aggregate_id, "host": host})


def delete_member(tx: Tx, aggregate_id: int, host: str) -> bool:
    """Take a host out of an aggregate; False when it was not in it."""
    mine = (aggregate_hosts.c.aggregate_id == aggregate_id, aggregate_hosts.c.host == host)
    return tx.execute(aggregate_hosts.delete().where(*mine)).rowcount == 1


def lock_host(tx: Tx, host: str) -> tuple[str, str] | None:
    """Give a host's zone and its own one, and keep claims on it waiting until the transaction ends; None for an unknown."""
    query = (
        sa.select(hosts.c.zone, sa.func.coalesce(hosts.c.own_zone, hosts.c.zone).label("own"))
        .where(hosts.c.name == host, hosts.c.facts.is_not(None))
        .with_for_update()
    )
    row = tx.execute(query).one_or_none()
    return None if row is None else (row.zone, row.own)


def set_zone(tx: Tx, host: str, zone: str, own: str) -> None:
    """Put a host into a zone; its own is kept for the time when no aggregate names one any more."""
    change = {"own_zone": own, "zone": zone, "generation": hosts.c.generation + 1}
    tx.execute(hosts.update().where(hosts.c.name == host).values(change))


def has_servers(tx: Tx, host: str) -> bool:
    """Whether a server lives on a host, or holds something there."""
    living = sa.select(servers.c.id).where(servers.c.host == host, servers.c.state != "deleted")
    holding = sa.select(claims.c.server_id).where(claims.c.host == host)
    return tx.execute(sa.union_all(holding, living).limit(1)).first() is not None


def metadata_of_hosts(tx: Tx) -> Sequence[Row]:
    """Read (host, aggregate id, metadata) of every host that is in an aggregate, ordered: one statement."""
    query = (
        sa.select(aggregate_hosts.c.host, aggregate_hosts.c.aggregate_id, aggregates.c.properties)
        .join(aggregates, aggregates.c.id == aggregate_hosts.c.aggregate_id)
        .order_by(aggregate_hosts.c.host, aggregate_hosts.c.aggregate_id)
    )
    return tx.execute(query).mappings().all()
