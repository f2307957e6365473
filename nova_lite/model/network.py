"""Networks, subnets and ports as the control side keeps them."""

from __future__ import annotations

import dataclasses

from nova_lite.model.guest import HostRoute
from nova_lite.model.ids import NetworkId, PortId, ProjectId, ServerId, SubnetId


@dataclasses.dataclass(frozen=True, kw_only=True)
class FixedIp:
    """An address of a port in one subnet."""

    subnet_id: SubnetId
    ip_address: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pool:
    """Addresses from `start` to `end`, both among them, that ports may get."""

    start: str
    end: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Subnet:
    """A range of addresses in a network."""

    id: SubnetId
    network_id: NetworkId
    project_id: ProjectId | None
    name: str
    cidr: str
    gateway_ip: str | None
    pools: tuple[Pool, ...]
    dns_nameservers: tuple[str, ...] = ()
    host_routes: tuple[HostRoute, ...] = ()
    enable_dhcp: bool = True
    description: str = ""
    created_at: float = 0.0
    updated_at: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
    """A layer-2 segment; `bridge` is its name on the hosts.

    segment: the number of a network that exists among guests alone; None: the hosts are its gateway
    """

    id: NetworkId
    project_id: ProjectId | None
    name: str
    bridge: str
    mtu: int = 1500
    shared: bool = False
    segment: int | None = None
    admin_state_up: bool = True
    description: str = ""
    subnet_ids: tuple[SubnetId, ...] = ()
    created_at: float = 0.0
    updated_at: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Port:
    """A connection point; owned by a server when `server_id` is set."""

    id: PortId
    network_id: NetworkId
    project_id: ProjectId | None
    name: str
    mac_address: str
    fixed_ips: tuple[FixedIp, ...]
    server_id: ServerId | None = None
    host: str | None = None
    device_owner: str = ""
    owned_by_operation: str | None = None  # key of the step that made it: such a port dies with its server
    status: str = "DOWN"
    admin_state_up: bool = True
    description: str = ""
    created_at: float = 0.0
    updated_at: float = 0.0
