"""The rules of networks that projects make: what one is made of, who may change it, and when it may go."""

from __future__ import annotations

import dataclasses
import secrets
import uuid
from collections.abc import Mapping
from typing import Any

from nova_lite import errors
from nova_lite.db import networks as queries
from nova_lite.db.engine import Tx
from nova_lite.model.ids import NetworkId, ProjectId
from nova_lite.model.network import Network
from nova_lite.network import limits, records

BRIDGE_PREFIX = "nlb"  # hosts name the network's other links alike, with another third letter
MAX_SEGMENT = 2**24 - 1  # VXLAN's numbers have 24 bits (RFC 7348, section 5)
TUNNEL_BYTES = 50  # what VXLAN puts around a frame: Ethernet 14, IPv4 20, UDP 8, VXLAN 8
DEFAULT_MTU = 1500 - TUNNEL_BYTES
TRIES = 16  # for a segment that is free


@dataclasses.dataclass(frozen=True, kw_only=True)
class NewNetwork:
    """A network that is asked for. `segment`: a number of its own choice, an operator's only."""

    project_id: str
    name: str = ""
    description: str = ""
    mtu: int = DEFAULT_MTU
    shared: bool = False
    admin_state_up: bool = True
    segment: int | None = None


def create(tx: Tx, wanted: NewNetwork) -> Network:
    """Add a network of a project's own, which exists among its guests alone.

    Raises: Conflict when the project has as many as it may, or when the segment is another's.
    """
    limits.require_room(tx, "network", wanted.project_id)
    wall, network_id = tx.database.clock.wall(), str(uuid.uuid4())
    network = Network(
        id=NetworkId(network_id),
        project_id=ProjectId(wanted.project_id),
        name=wanted.name,
        description=wanted.description,
        bridge=bridge_name(network_id),
        mtu=wanted.mtu,
        shared=wanted.shared,
        admin_state_up=wanted.admin_state_up,
        segment=wanted.segment,
        created_at=wall,
        updated_at=wall,
    )
    return _with_segment(tx, network)


def _with_segment(tx: Tx, network: Network) -> Network:
    """Write the network with its segment, or with one that is free: nearly all are, so one is drawn. Raises: Conflict."""
    drawn = network.segment is None
    for _ in range(TRIES if drawn else 1):
        segment = 1 + secrets.randbelow(MAX_SEGMENT) if drawn else network.segment
        made = dataclasses.replace(network, segment=segment)
        if queries.insert_network(tx, records.network_columns(made)):
            return made
    if drawn:
        raise errors.Conflict("No segment is left for another network.", type="NoNetworkAvailable")
    raise errors.Conflict(f"The segment {network.segment} is another network's.", type="VlanIdInUse")


def bridge_name(network_id: str) -> str:
    """Name a network's bridge on the hosts: 14 characters, the kernel takes 15."""
    return BRIDGE_PREFIX + network_id.replace("-", "")[:11]


def update(tx: Tx, network: Network, changes: Mapping[str, Any]) -> Network:
    """Change a network. Its guests keep the packet size that they have.

    Raises: Conflict when it is to be shared no more while others' ports are on it; BadRequest for the packet size of a
    network that the hosts connect to what is around them.
    """
    if network.segment is None and changes.get("mtu", network.mtu) != network.mtu:
        raise errors.BadRequest("mtu: it is set by this network's operator.", type="InvalidInput")
    if network.shared and not changes.get("shared", True):
        queries.lock_network(tx, network.id)
        if queries.has_ports_of_others(tx, network.id, network.project_id):
            raise errors.Conflict(
                f"Network {network.id} cannot be unshared: other projects have ports on it.", type="InvalidSharedSetting"
            )
    changed = dataclasses.replace(network, **changes, updated_at=tx.database.clock.wall())
    queries.update_network(tx, network.id, {**changes, "updated_at": changed.updated_at})
    return changed


def delete(tx: Tx, network: Network) -> None:
    """Remove a network with its subnets. Raises: Conflict while a port is on it."""
    if not queries.delete_network(tx, network.id):
        raise errors.Conflict(
            f"Unable to complete operation on network {network.id}: there are ports on it.", type="NetworkInUse"
        )
