"""What an isolated network is to be on this host: gathered from the interfaces that come to it, and noted."""

from __future__ import annotations

import dataclasses
import ipaddress

from nova_lite.model.guest import GuestInterface, HostRoute


@dataclasses.dataclass(frozen=True, kw_only=True)
class Subnet:
    """A range of a network, and what its guests are told."""

    cidr: str
    gateway_ip: str | None
    dns_nameservers: tuple[str, ...]
    routes: tuple[HostRoute, ...]
    dhcp: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """A network: its number, and the subnets that were seen here, by range."""

    segment: int
    mtu: int
    subnets: tuple[Subnet, ...]


def cidr_of(interface: GuestInterface) -> str:
    """Give the range that an interface's address is from."""
    return str(ipaddress.ip_network(f"{interface.ip_address}/{interface.prefix_length}", strict=False))


def extended(known: Plan | None, interface: GuestInterface, segment: int) -> Plan:
    """Give the plan with an interface's subnet. What the newest interface says holds for all."""
    subnet = Subnet(
        cidr=cidr_of(interface),
        gateway_ip=interface.gateway_ip,
        dns_nameservers=interface.dns_nameservers,
        routes=interface.routes,
        dhcp=interface.dhcp,
    )
    others = [] if known is None else [one for one in known.subnets if one.cidr != subnet.cidr]
    return Plan(segment=segment, mtu=interface.mtu, subnets=tuple(sorted([*others, subnet], key=lambda one: one.cidr)))
