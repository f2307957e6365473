"""Queries on networks, subnets, ports and addresses."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from nova_lite.db.engine import Overtaken, Tx
from nova_lite.db.tables.networks import addresses, networks, ports, subnets

Row = sa.RowMapping
FREE = {"server_id": None, "host": None, "device_owner": "", "status": "DOWN"}  # of a port that no server has


@dataclasses.dataclass(frozen=True, kw_only=True)
class PortFilter:
    """Which ports are wanted; None: any. `project_id` also lets ports of nobody's pass not."""

    id: str | None = None
    project_id: str | None = None
    server_id: str | None = None
    keys: tuple[str, ...] = ()


def insert_network(tx: Tx, row: Mapping[str, Any]) -> bool:
    """Add a network; False when another has its segment."""
    try:
        with tx.part(exc.IntegrityError):
            tx.execute(networks.insert(), dict(row))
    except exc.IntegrityError:
        return False
    return True


def update_network(tx: Tx, network_id: str, values: Mapping[str, Any]) -> None:
    """Change a network's columns."""
    tx.execute(networks.update().where(networks.c.id == network_id).values(dict(values)))


def delete_network(tx: Tx, network_id: str) -> bool:
    """Remove a network with its subnets; False while a port is on it."""
    try:
        with tx.part(exc.IntegrityError):
            tx.execute(subnets.delete().where(subnets.c.network_id == network_id))
            tx.execute(networks.delete().where(networks.c.id == network_id))
    except exc.IntegrityError:
        return False
    return True


def update_subnet(tx: Tx, subnet_id: str, values: Mapping[str, Any]) -> None:
    """Change a subnet's columns."""
    tx.execute(subnets.update().where(subnets.c.id == subnet_id).values(dict(values)))


def delete_subnet(tx: Tx, subnet_id: str) -> bool:
    """Remove a subnet; False while a port has an address of it."""
    try:
        with tx.part(exc.IntegrityError):
            tx.execute(subnets.delete().where(subnets.c.id == subnet_id))
    except exc.IntegrityError:
        return False
    return True


def lock_network(tx: Tx, network_id: str) -> bool:
    """Let one transaction after another change a network, until it ends; False when it is gone."""
    query = sa.select(networks.c.id).where(networks.c.id == network_id)
    return tx.execute(query if tx.database.dialect == "sqlite" else query.with_for_update()).first() is not None


def has_ports_of_others(tx: Tx, network_id: str, project_id: str | None) -> bool:
    """Tell whether a port of another project is on a network."""
    query = sa.select(ports.c.id).where(ports.c.network_id == network_id, ports.c.project_id.is_distinct_from(project_id))
    return tx.execute(query.limit(1)).first() is not None


def insert_subnet(tx: Tx, row: Mapping[str, Any]) -> None:
    """Add a subnet."""
    tx.execute(subnets.insert(), dict(row))


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkFilter:
    """Which networks are wanted; None: any. `project_id`: those that the project may use, shared ones too."""

    ids: tuple[str, ...] | None = None
    subnet_id: str | None = None
    project_id: str | None = None


def select_networks(tx: Tx, wanted: NetworkFilter) -> Sequence[Row]:
    """Read networks with one row for each subnet, whose columns are labelled `subnet_*` (None without any), oldest first."""
    labelled = [column.label(f"subnet_{column.name}") for column in subnets.c]
    query = (
        sa.select(networks, *labelled)
        .select_from(networks.outerjoin(subnets, subnets.c.network_id == networks.c.id))
        .order_by(networks.c.created_at, networks.c.id, subnets.c.created_at, subnets.c.id)
    )
    if wanted.ids is not None:
        query = query.where(networks.c.id.in_(wanted.ids))
    if wanted.subnet_id is not None:
        of_subnet = sa.select(subnets.c.network_id).where(subnets.c.id == wanted.subnet_id)
        query = query.where(networks.c.id.in_(of_subnet))
    if wanted.project_id is not None:
        query = query.where(sa.or_(networks.c.shared, networks.c.project_id == wanted.project_id))
    return tx.execute(query).mappings().all()


def select_ports(tx: Tx, wanted: PortFilter) -> Sequence[Row]:
    """Read ports with one row for each address (`subnet_id` and `ip_address` are None without any), oldest first."""
    joined = ports.outerjoin(addresses, addresses.c.port_id == ports.c.id)
    query = (
        sa.select(ports, addresses.c.subnet_id, addresses.c.ip_address)
        .select_from(joined)
        .order_by(ports.c.created_at, ports.c.id, sa.func.coalesce(addresses.c.added_at, 0.0), addresses.c.ip_number)
    )
    for column, value in (
        (ports.c.id, wanted.id),
        (ports.c.project_id, wanted.project_id),
        (ports.c.server_id, wanted.server_id),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.keys:
        query = query.where(ports.c.owned_by_operation.in_(wanted.keys))
    return tx.execute(query).mappings().all()


def count_owned(tx: Tx, project_id: str) -> dict[str, int]:
    """Count what belongs to a project, by kind."""
    counts = {}
    for kind, table in (("network", networks), ("subnet", subnets), ("port", ports)):
        query = sa.select(sa.func.count()).select_from(table).where(table.c.project_id == project_id)
        counts[kind] = tx.execute(query).scalar_one()
    return counts


def insert_port(tx: Tx, row: Mapping[str, Any]) -> None:
    """Add a port. Raises: Overtaken when another has its key or its MAC address."""
    try:
        tx.execute(ports.insert(), dict(row))
    except exc.IntegrityError as error:
        raise Overtaken from error


def insert_unless_mac_in_use(tx: Tx, row: Mapping[str, Any]) -> bool:
    """Add a port that no operation owns; False when the network has its MAC address already."""
    try:
        with tx.part(Overtaken):
            insert_port(tx, row)
    except Overtaken:
        return False
    return True


def lock_subnet(tx: Tx, subnet_id: str) -> None:
    """Let one transaction after another take addresses of a subnet, until it ends. SQLite's always come one by one."""
    if tx.database.dialect != "sqlite":
        tx.execute(sa.select(subnets.c.id).where(subnets.c.id == subnet_id).with_for_update())


def take_address(tx: Tx, subnet_id: str, port_id: str, number: int, text: str) -> bool:
    """Take one address; False when another port has it."""
    row = {"subnet_id": subnet_id, "port_id": port_id, "ip_number": number, "ip_address": text}
    try:
        with tx.part(exc.IntegrityError):
            tx.execute(addresses.insert(), row)
    except exc.IntegrityError:
        return False
    return True


def note_added(tx: Tx, subnet_id: str, text: str, wall: float) -> None:
    """Note that a port has an address beside its first one; such addresses follow that one."""
    its = (addresses.c.subnet_id == subnet_id, addresses.c.ip_address == text)
    tx.execute(addresses.update().where(*its).values(added_at=wall))


def release_address(tx: Tx, port_id: str, text: str) -> None:
    """Give one address of a port back."""
    tx.execute(addresses.delete().where(addresses.c.port_id == port_id, addresses.c.ip_address == text))


def is_taken(tx: Tx, subnet_id: str, text: str) -> bool:
    """Tell whether a port has an address."""
    query = sa.select(addresses.c.port_id).where(addresses.c.subnet_id == subnet_id, addresses.c.ip_address == text)
    return tx.execute(query).first() is not None


def lowest_free(tx: Tx, subnet_id: str, first: int, last: int) -> int | None:
    """Find the lowest free address of a range, as a number; None when all are taken."""
    taken = addresses.alias("taken")
    nearest = sa.select(sa.literal(1)).where(taken.c.subnet_id == subnet_id, taken.c.ip_number == addresses.c.ip_number + 1)
    behind = sa.select(sa.func.min(addresses.c.ip_number + 1)).where(
        addresses.c.subnet_id == subnet_id,
        addresses.c.ip_number >= first,
        addresses.c.ip_number < last,
        sa.not_(sa.exists(nearest)),
    )
    at_first = sa.select(sa.literal(1)).where(addresses.c.subnet_id == subnet_id, addresses.c.ip_number == first)
    query = sa.select(sa.exists(at_first).label("first_taken"), behind.scalar_subquery().label("behind"))
    found = tx.execute(query).mappings().one()
    return found["behind"] if found["first_taken"] else first


def bind_port(tx: Tx, port_id: str, values: Mapping[str, Any]) -> bool:
    """Give a free port to a server; False when a server has it already."""
    change = ports.update().where(ports.c.id == port_id, ports.c.server_id.is_(None)).values(dict(values))
    return tx.execute(change).rowcount == 1


def update_port(tx: Tx, port_id: str, values: Mapping[str, Any], *, free_only: bool = False) -> bool:
    """Change a port's columns; with `free_only` not those of one that a server has, which gives False."""
    change = ports.update().where(ports.c.id == port_id)
    if free_only:
        change = change.where(ports.c.server_id.is_(None))
    return tx.execute(change.values(dict(values))).rowcount == 1


def release_addresses(tx: Tx, port_id: str) -> None:
    """Give the addresses of a port back."""
    tx.execute(addresses.delete().where(addresses.c.port_id == port_id))


def update_server_ports(tx: Tx, server_id: str, values: Mapping[str, Any]) -> None:
    """Change columns of all ports of a server."""
    tx.execute(ports.update().where(ports.c.server_id == server_id).values(dict(values)))


def delete_port(tx: Tx, port_id: str) -> bool:
    """Remove a port with its addresses."""
    return tx.execute(ports.delete().where(ports.c.id == port_id)).rowcount == 1


def delete_free_port(tx: Tx, port_id: str) -> bool:
    """Remove a port with its addresses; False when a server has it, or it is gone."""
    return tx.execute(ports.delete().where(ports.c.id == port_id, ports.c.server_id.is_(None))).rowcount == 1


def delete_server_ports(tx: Tx, server_id: str, key: str | None) -> None:
    """Remove the ports that were made for a server: all, or those whose key begins with `key`."""
    change = ports.delete().where(ports.c.server_id == server_id, ports.c.owned_by_operation.is_not(None))
    if key is not None:
        change = change.where(ports.c.owned_by_operation.startswith(key, autoescape=True))
    tx.execute(change)


def free_server_ports(tx: Tx, server_id: str, wall: float) -> None:
    """Give the users' own ports of a server back to them."""
    change = ports.update().where(ports.c.server_id == server_id, ports.c.owned_by_operation.is_(None))
    tx.execute(change.values(FREE | {"updated_at": wall}))


def delete_made_port(tx: Tx, server_id: str, port_id: str) -> bool:
    """Remove a port that was made for a server; False when it is a user's own, or not the server's."""
    its = (ports.c.id == port_id, ports.c.server_id == server_id, ports.c.owned_by_operation.is_not(None))
    return tx.execute(ports.delete().where(*its)).rowcount == 1


def delete_server_port(tx: Tx, server_id: str, port_id: str) -> None:
    """Remove a port with its addresses, if the server has it."""
    tx.execute(ports.delete().where(ports.c.id == port_id, ports.c.server_id == server_id))


def free_port(tx: Tx, server_id: str, port_id: str, wall: float) -> None:
    """Give a user's own port back, if the server has it."""
    change = ports.update().where(ports.c.id == port_id, ports.c.server_id == server_id)
    tx.execute(change.values(FREE | {"updated_at": wall}))
