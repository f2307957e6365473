"""Networks, subnets and ports: rows to and from their models."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from nova_lite import errors
from nova_lite.db import networks as queries
from nova_lite.db.engine import Tx
from nova_lite.db.networks import PortFilter, Row
from nova_lite.model.ids import NetworkId, PortId, ProjectId, ServerId, SubnetId
from nova_lite.model.network import FixedIp, Network, Port, Subnet
from nova_lite.network import addresses


def list_networks(tx: Tx) -> tuple[Network, ...]:
    """List all networks with the ids of their subnets, oldest first."""
    of_network: dict[str, list[SubnetId]] = {}
    for row in queries.select_subnets(tx):
        of_network.setdefault(row["network_id"], []).append(SubnetId(row["id"]))
    return tuple(_network(row, tuple(of_network.get(row["id"], ()))) for row in queries.select_networks(tx))


def list_subnets(tx: Tx) -> tuple[Subnet, ...]:
    """List all subnets, oldest first."""
    return tuple(subnet_of(row) for row in queries.select_subnets(tx))


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


def insert_port(tx: Tx, port: Port, subnet: Subnet, wanted: str | None = None, *, hint: int | None = None) -> Port:
    """Add a port with an address (the one wanted, else that of `hint`, else the lowest free); give it with the address.

    Raises: Conflict when an address is in use or none is free; BadRequest for one that is not of the subnet.
    """
    columns = {name: value for name, value in vars(port).items() if name != "fixed_ips"}
    queries.insert_port(tx, columns)
    return dataclasses.replace(port, fixed_ips=(addresses.take(tx, subnet, port.id, wanted, hint=hint),))


def _network(row: Row, subnet_ids: tuple[SubnetId, ...]) -> Network:
    return Network(
        id=NetworkId(row["id"]),
        project_id=row["project_id"],
        name=row["name"],
        bridge=row["bridge"],
        mtu=row["mtu"],
        shared=row["shared"],
        subnet_ids=subnet_ids,
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def subnet_of(row: Row) -> Subnet:
    """Build a subnet from its row."""
    return Subnet(
        id=SubnetId(row["id"]),
        network_id=NetworkId(row["network_id"]),
        project_id=row["project_id"],
        name=row["name"],
        cidr=row["cidr"],
        gateway_ip=row["gateway_ip"],
        pool_start=row["pool_start"],
        pool_end=row["pool_end"],
        dns_nameservers=tuple(row["dns_nameservers"]),
        enable_dhcp=row["enable_dhcp"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


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
