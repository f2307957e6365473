"""Aggregates: hosts that the operator put together. The zone that one names is the zone of its hosts.

A host is in one zone only, and servers that live on it never change theirs: what would do so is refused. Every change takes
the rows of all aggregates first, then those of hosts by name, so that two changes at once see each other.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from nova_lite import errors
from nova_lite.db import aggregates as queries
from nova_lite.db.engine import Tx
from nova_lite.model.aggregate import ZONE_KEY, Aggregate


def list_all(tx: Tx) -> tuple[Aggregate, ...]:
    """List aggregates by id, with their hosts: two statements."""
    members = queries.select_members(tx)
    return tuple(_aggregate(row, members) for row in queries.select_aggregates(tx))


def get(tx: Tx, aggregate_id: int) -> Aggregate:
    """Give one. Raises: NotFound."""
    rows = queries.select_aggregates(tx, aggregate_id)
    if not rows:
        raise errors.NotFound(f"Aggregate {aggregate_id} could not be found.")
    return _aggregate(rows[0], queries.select_members(tx))


def _aggregate(row: queries.Row, members: Mapping[int, list[str]]) -> Aggregate:
    return Aggregate(**row, hosts=tuple(members.get(row["id"], ())))


def create(tx: Tx, name: str, zone: str | None) -> Aggregate:
    """Add an aggregate without hosts. Raises: Conflict when the name is taken."""
    values = {
        "uuid": str(uuid.uuid4()),
        "name": name,
        "properties": {} if zone is None else {ZONE_KEY: zone},
        "created_at": tx.database.clock.wall(),
    }
    return get(tx, queries.insert_aggregate(tx, values))


def rename(tx: Tx, aggregate_id: int, name: str) -> Aggregate:
    """Change the name. Raises: NotFound; Conflict when it is taken."""
    if not queries.update_aggregate(tx, aggregate_id, {"name": name, "updated_at": tx.database.clock.wall()}):
        raise errors.NotFound(f"Aggregate {aggregate_id} could not be found.")
    return get(tx, aggregate_id)


def set_metadata(tx: Tx, aggregate_id: int, changes: Mapping[str, str | None]) -> Aggregate:
    """Set keys of the metadata; None removes one.

    Raises: NotFound; BadRequest when hosts would be in two zones, or servers on them change theirs.
    """
    queries.lock_aggregates(tx)
    known = get(tx, aggregate_id)
    changed = {key: value for key, value in {**known.metadata, **changes}.items() if value is not None}
    queries.update_aggregate(tx, aggregate_id, {"properties": changed, "updated_at": tx.database.clock.wall()})
    if changed.get(ZONE_KEY) != known.zone:
        try:
            for host in known.hosts:
                _settle_zone(tx, host)
        except errors.Conflict as error:
            raise errors.BadRequest(f"Cannot update aggregate {aggregate_id}. Reason: {error.message}") from error
    return get(tx, aggregate_id)


def delete(tx: Tx, aggregate_id: int) -> None:
    """Remove an aggregate. Raises: NotFound; BadRequest while it has hosts."""
    queries.lock_aggregates(tx)
    if get(tx, aggregate_id).hosts:
        raise errors.BadRequest(f"Cannot remove aggregate {aggregate_id}. Reason: Host aggregate is not empty")
    queries.delete_aggregate(tx, aggregate_id)


def add_host(tx: Tx, aggregate_id: int, host: str) -> Aggregate:
    """Put a host into an aggregate, and into its zone.

    Raises: NotFound; Conflict when it is in already, would be in two zones, or has servers that would change theirs.
    """
    queries.lock_aggregates(tx)
    known = get(tx, aggregate_id)
    if host in known.hosts:
        raise errors.Conflict(f"Aggregate {aggregate_id} already has host {host}.")
    if queries.lock_host(tx, host) is None:
        raise errors.NotFound(f"Compute host {host} could not be found.")
    queries.insert_member(tx, aggregate_id, host)
    if known.zone is not None:
        _settle_zone(tx, host)
    return get(tx, aggregate_id)


def remove_host(tx: Tx, aggregate_id: int, host: str) -> Aggregate:
    """Take a host out of an aggregate, and out of its zone.

    Raises: NotFound; Conflict when it has servers that would change theirs.
    """
    queries.lock_aggregates(tx)
    known = get(tx, aggregate_id)
    if not queries.delete_member(tx, aggregate_id, host):
        raise errors.NotFound(f"Aggregate {aggregate_id} has no host {host}.")
    if known.zone is not None:
        _settle_zone(tx, host)
    return get(tx, aggregate_id)


def _settle_zone(tx: Tx, host: str) -> None:
    """Put a host where its aggregates say, else where it was added. Raises: Conflict."""
    found = queries.lock_host(tx, host)
    if found is None:
        return
    present, own = found
    zones = {one.zone for one in list_all(tx) if host in one.hosts and one.zone is not None}
    if len(zones) > 1:
        raise errors.Conflict(f"Host {host} would be in the availability zones {' and '.join(sorted(zones))} at once.")
    wanted = zones.pop() if zones else own
    if wanted == present:
        return
    if queries.has_servers(tx, host):
        raise errors.Conflict(f"Host {host} has servers, which cannot change from zone {present} to zone {wanted}.")
    queries.set_zone(tx, host, wanted, own)


Metadata = tuple[tuple[str, frozenset[str]], ...]


def metadata_by_host(tx: Tx) -> dict[str, Metadata]:
    """Give for each host in an aggregate every key of their metadata, sorted, with all its values; one statement.

    A value may name several with commas between. Hosts that are in the same aggregates share one tuple.
    """
    ids: dict[str, tuple[int, ...]] = {}
    metadata: dict[int, Mapping[str, str]] = {}
    for row in queries.metadata_of_hosts(tx):
        ids[row["host"]] = (*ids.get(row["host"], ()), row["aggregate_id"])
        metadata[row["aggregate_id"]] = row["metadata"]
    merged = {several: _merged([metadata[one] for one in several]) for several in set(ids.values())}
    return {host: merged[several] for host, several in ids.items()}


def _merged(metadata: list[Mapping[str, str]]) -> Metadata:
    found: dict[str, frozenset[str]] = {}
    for one in metadata:
        for key, text in one.items():
            found[key] = found.get(key, frozenset()) | {value.strip() for value in text.split(",")}
    return tuple(sorted(found.items()))
