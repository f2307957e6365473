"""The rules of ports that users make: who may have one where, which addresses, and when it may change or go."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping
from typing import Any

from nova_lite import errors
from nova_lite.db import networks as queries
from nova_lite.db.engine import Tx
from nova_lite.db.networks import NetworkFilter
from nova_lite.model.ids import PortId, ProjectId
from nova_lite.model.network import FixedIp, Network, Port, Subnet
from nova_lite.network import addresses, records
from nova_lite.network.records import Place

RESERVED_OWNERS = ("compute:", "network:")


@dataclasses.dataclass(frozen=True, kw_only=True)
class NewPort:
    """A port that is asked for: with the address wanted, or any (of the subnet named, or any)."""

    network_id: str
    project_id: str
    name: str = ""
    subnet_id: str | None = None
    ip_address: str | None = None
    mac_address: str | None = None
    device_owner: str = ""
    admin_state_up: bool = True
    description: str = ""


def visible_network(tx: Tx, network_id: str, *, project_id: str | None) -> Network:
    """Give a network that a project may use (None: any). Raises: NotFound."""
    return visible_place(tx, network_id, project_id=project_id).network


def visible_place(tx: Tx, network_id: str, *, project_id: str | None) -> Place:
    """Give a network that a project may use (None: any) with its subnets. Raises: NotFound."""
    for place in records.list_places(tx, NetworkFilter(ids=(network_id,), project_id=project_id)):
        return place
    raise errors.NotFound(f"Network {network_id} could not be found.", type="NetworkNotFound")


def create(tx: Tx, wanted: NewPort, *, seen_by: str | None) -> Port:
    """Add a port with one address; `seen_by` is the project of who asks, None for an admin.

    Raises: NotFound for a network that the caller does not see; BadRequest, Conflict as `addresses.take`; Conflict for a
    MAC address in use.
    """
    place = visible_place(tx, wanted.network_id, project_id=seen_by)
    subnets = _subnets(place, wanted.subnet_id, wanted.ip_address)
    check_owner(wanted.device_owner)
    wall = tx.database.clock.wall()
    port = Port(
        id=PortId(str(uuid.uuid4())),
        network_id=place.network.id,
        project_id=ProjectId(wanted.project_id),
        name=wanted.name,
        mac_address=(wanted.mac_address or addresses.new_mac()).lower(),
        fixed_ips=(),
        device_owner=wanted.device_owner,
        admin_state_up=wanted.admin_state_up,
        description=wanted.description,
        created_at=wall,
        updated_at=wall,
    )
    columns = {name: value for name, value in vars(port).items() if name != "fixed_ips"}
    if not queries.insert_unless_mac_in_use(tx, columns):
        raise errors.Conflict(f"The MAC address {port.mac_address} is in use on the network.", type="MacAddressInUse")
    return dataclasses.replace(port, fixed_ips=(addresses.take(tx, subnets, port.id, wanted.ip_address),))


def check_owner(device_owner: str) -> None:
    """Refuse owners that only the cloud itself may name. Raises: BadRequest."""
    if device_owner.startswith(RESERVED_OWNERS):
        raise errors.BadRequest("device_owner: compute: and network: are given by the cloud itself.")


def _subnets(place: Place, subnet_id: str | None, ip_address: str | None) -> tuple[Subnet, ...]:
    """Give the subnets that an address may be taken of: the one named, else all. Raises: BadRequest; Conflict."""
    if not place.subnets:
        raise errors.BadRequest("The network has no subnet for the address.", type="InvalidIpForNetwork")
    if subnet_id is None:
        return place.subnets
    for subnet in place.subnets:
        if subnet.id == subnet_id:
            if ip_address is not None:
                addresses.check(subnet, ip_address)
            return (subnet,)
    raise errors.BadRequest(f"Subnet {subnet_id} is not one of network {place.network.id}.", type="InvalidInput")


def update(tx: Tx, port: Port, changes: Mapping[str, Any], address: tuple[str | None, str | None] | None = None) -> None:
    """Change columns of a port, and take another address for it (subnet and address, each may be None).

    Raises: Conflict when a server has the port and the address or the owner is to change.
    """
    values = {**changes, "updated_at": tx.database.clock.wall()}
    if "device_owner" in changes:
        check_owner(changes["device_owner"])
    free_only = address is not None or "device_owner" in changes
    if not queries.update_port(tx, port.id, values, free_only=free_only):
        _refuse(tx, port)
    if address is not None:
        _readdress(tx, port, *address)


def _readdress(tx: Tx, port: Port, subnet_id: str | None, ip_address: str | None) -> FixedIp:
    subnets = _subnets(visible_place(tx, port.network_id, project_id=None), subnet_id, ip_address)
    if ip_address is None and any(fixed.subnet_id == subnet.id for fixed in port.fixed_ips for subnet in subnets):
        return port.fixed_ips[0]
    queries.release_addresses(tx, port.id)
    return addresses.take(tx, subnets, port.id, ip_address)


def delete(tx: Tx, port: Port) -> None:
    """Remove a port that no server has. Raises: Conflict; NotFound when it went meanwhile."""
    if not queries.delete_free_port(tx, port.id):
        _refuse(tx, port)


def _refuse(tx: Tx, port: Port) -> None:
    """Say why a free port was not found: it is gone, or a server's."""
    present = records.get_port(tx, port.id)
    raise errors.Conflict(
        f"Unable to complete operation on port {port.id}: it is attached to server {present.server_id}.", type="PortInUse"
    )
