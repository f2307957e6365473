"""Networks, subnets and ports: rows to and from their models."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nova_lite import errors
from nova_lite.db import networks as queries
from nova_lite.db.engine import Tx
from nova_lite.db.networks import NetworkFilter, PortFilter, Row
from nova_lite.model.guest import HostRoute
from nova_lite.model.ids import NetworkId, PortId, ProjectId, ServerId, SubnetId
from nova_lite.model.network import FixedIp, Network, Pool, Port, Subnet
from nova_lite.network import addresses


@dataclasses.dataclass(frozen=True)
class Place:
    """A network with its subnets, oldest first."""

    network: Network
    subnets: tuple[Subnet, ...]

    def subnet_of(self, port: Port) -> Subnet:
        """Give the subnet of a port's first address."""
        return next(subnet for subnet in self.subnets if subnet.id == port.fixed_ips[0].subnet_id)


def list_places(tx: Tx, wanted: NetworkFilter | None = None) -> tuple[Place, ...]:
    """List networks with their subnets, oldest first; one statement."""
    grouped: dict[str, list[Row]] = {}
    for row in queries.select_networks(tx, wanted or NetworkFilter()):
        grouped.setdefault(row["id"], []).append(row)
    return tuple(_place(rows) for rows in grouped.values())


def places_by_id(tx: Tx, ids: Iterable[str]) -> dict[str, Place]:
    """Find networks with their subnets; one statement."""
    wanted = NetworkFilter(ids=tuple(dict.fromkeys(ids)))
    return {place.network.id: place for place in list_places(tx, wanted)}


def list_networks(tx: Tx, wanted: NetworkFilter | None = None) -> tuple[Network, ...]:
    """List networks with the ids of their subnets, oldest first."""
    return tuple(place.network for place in list_places(tx, wanted))


def list_subnets(tx: Tx, wanted: NetworkFilter | None = None) -> tuple[Subnet, ...]:
    """List the subnets of networks, oldest first."""
    return tuple(subnet for place in list_places(tx, wanted) for subnet in place.subnets)


def list_ports(tx: Tx, wanted: PortFilter | None = None) -> tuple[Port, ...]:
    """List ports with their addresses, oldest first; one statement."""
    grouped: dict[str, list[Row]] = {}
    for row in queries.select_ports(tx, wanted or PortFilter()):
        grouped.setdefault(row["id"], []).append(row)
    return tuple(_port(rows) for rows in grouped.values())


def get_port(tx: Tx, port_id: str, *, project_id: str | None = None) -> Port:
    """Give a port. Raises: NotFound when there is none, or it is another project's than the one named."""
    found = list_ports(tx, PortFilter(id=port_id, project_id=project_id))
    if not found:
        raise errors.NotFound(f"There is no port {port_id}.")
    return found[0]


def insert_port(
    tx: Tx, port: Port, subnets: Sequence[Subnet], wanted: str | None = None, *, hints: Mapping[str, int] | None = None
) -> Port:
    """Add a port with an address (the one wanted, else a subnet's hint, else the lowest free); give it with the address.

    Raises: Conflict when an address is in use or none is free; BadRequest for one that is of no subnet.
    """
    columns = {name: value for name, value in vars(port).items() if name != "fixed_ips"}
    queries.insert_port(tx, columns)
    return dataclasses.replace(port, fixed_ips=(addresses.take(tx, subnets, port.id, wanted, hints=hints),))


def _place(rows: Sequence[Row]) -> Place:
    subnets = tuple(_subnet(row) for row in rows if row["subnet_id"])
    return Place(_network(rows[0], tuple(subnet.id for subnet in subnets)), subnets)


def _network(row: Row, subnet_ids: tuple[SubnetId, ...]) -> Network:
    return Network(
        id=NetworkId(row["id"]),
        project_id=row["project_id"],
        name=row["name"],
        bridge=row["bridge"],
        mtu=row["mtu"],
        shared=row["shared"],
        segment=row["segment"],
        admin_state_up=row["admin_state_up"],
        description=row["description"],
        subnet_ids=subnet_ids,
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _subnet(row: Row) -> Subnet:
    pools = row["subnet_allocation_pools"]
    if pools is None:  # written by a release that knew one only
        pools = [[row["subnet_pool_start"], row["subnet_pool_end"]]]
    return Subnet(
        id=SubnetId(row["subnet_id"]),
        network_id=NetworkId(row["id"]),
        project_id=row["subnet_project_id"],
        name=row["subnet_name"],
        cidr=row["subnet_cidr"],
        gateway_ip=row["subnet_gateway_ip"],
        pools=tuple(Pool(start=start, end=end) for start, end in pools),
        dns_nameservers=tuple(row["subnet_dns_nameservers"]),
        host_routes=tuple(HostRoute(destination=one, nexthop=two) for one, two in row["subnet_host_routes"] or ()),
        enable_dhcp=row["subnet_enable_dhcp"],
        description=row["subnet_description"],
        created_at=row["subnet_created_at"],
        updated_at=row["subnet_updated_at"],
    )


def network_columns(network: Network) -> dict[str, Any]:
    """Give a network as its row."""
    return {name: value for name, value in vars(network).items() if name != "subnet_ids"}


def subnet_columns(subnet: Subnet) -> dict[str, Any]:
    """Give a subnet as its row. The first pool is written as earlier releases read it, too."""
    first = subnet.pools[0] if subnet.pools else Pool(start="", end="")
    return {name: value for name, value in vars(subnet).items() if name != "pools"} | {
        "dns_nameservers": list(subnet.dns_nameservers),
        "host_routes": [[route.destination, route.nexthop] for route in subnet.host_routes],
        "allocation_pools": [[pool.start, pool.end] for pool in subnet.pools],
        "pool_start": first.start,
        "pool_end": first.end,
    }


def _port(rows: Sequence[Row]) -> Port:
    row = rows[0]
    fixed = tuple(
        FixedIp(subnet_id=SubnetId(one["subnet_id"]), ip_address=one["ip_address"]) for one in rows if one["ip_address"]
    )
    return Port(
        id=PortId(row["id"]),
        network_id=NetworkId(row["network_id"]),
        project_id=ProjectId(row["project_id"]) if row["project_id"] else None,
        name=row["name"],
        mac_address=row["mac_address"],
        fixed_ips=fixed,
        server_id=ServerId(row["server_id"]) if row["server_id"] else None,
        host=row["host"],
        device_owner=row["device_owner"],
        owned_by_operation=row["owned_by_operation"],
        status=row["status"],
        admin_state_up=row["admin_state_up"],
        description=row["description"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
