"""What dnsmasq is told to offer: the part of its command line that differs by the kind of network."""

from __future__ import annotations

import ipaddress

from nova_lite.compute.wiring.bridge import METADATA_IP
from nova_lite.compute.wiring.plan import Plan, Subnet, cidr_of
from nova_lite.model.guest import GuestInterface

LEASE = "1h"
MOST_LEASES = 1 << 20  # dnsmasq takes no number that does not fit into 31 bits, and a host has fewer guests
ON_LINK = "0.0.0.0"  # noqa: S104 - as a router in option 121 (RFC 3442): there is none on the way
EVERYWHERE = "0.0.0.0/0"


def flat(interface: GuestInterface) -> tuple[str, ...]:
    """Offer the range of the bridge's own address. The host is the router, and so the way to metadata."""
    network = ipaddress.ip_network(cidr_of(interface))
    gateway = interface.gateway_ip
    options = [f"option:mtu,{interface.mtu}"]
    if gateway is not None:
        routes = f"{METADATA_IP}/32,{gateway},{EVERYWHERE},{gateway}"
        options += [f"option:router,{gateway}", f"option:classless-static-route,{routes}"]
    if interface.dns_nameservers:
        options.append(f"option:dns-server,{','.join(interface.dns_nameservers)}")
    return (
        f"--dhcp-range={network.network_address},static,{network.netmask},{LEASE}",
        f"--dhcp-lease-max={network.num_addresses}",
        *(f"--dhcp-option={option}" for option in options),
    )


def isolated(plan: Plan, link: str) -> tuple[str, ...]:
    """Offer the ranges of a network in which dnsmasq has no address: `link` is said to share the wire with each.

    Names are answered from what was offered; nobody else is asked, for there is no way out.
    """
    served = [subnet for subnet in plan.subnets if subnet.dhcp]
    size = min(MOST_LEASES, sum(ipaddress.ip_network(subnet.cidr).num_addresses for subnet in served))
    return (
        "--no-resolv",
        *([f"--dhcp-lease-max={size}", f"--dhcp-option=option:mtu,{plan.mtu}"] if served else []),
        *(argument for number, subnet in enumerate(served) for argument in _subnet(subnet, link, f"subnet{number}")),
    )


def _subnet(subnet: Subnet, link: str, tag: str) -> tuple[str, ...]:
    network = ipaddress.ip_network(subnet.cidr)
    gateway = subnet.gateway_ip
    ways = [(f"{METADATA_IP}/32", ON_LINK), *((route.destination, route.nexthop) for route in subnet.routes)]
    if gateway is not None:
        ways.append((EVERYWHERE, gateway))  # who takes these routes leaves the router aside
    options = (
        # Without a word dnsmasq would name itself as the router.
        "option:router" if gateway is None else f"option:router,{gateway}",
        f"option:classless-static-route,{','.join(f'{destination},{nexthop}' for destination, nexthop in ways)}",
        f"option:dns-server,{','.join(subnet.dns_nameservers or (METADATA_IP,))}",
    )
    return (
        f"--shared-network={link},{network.network_address}",
        f"--dhcp-range=set:{tag},{network.network_address},static,{network.netmask},{network.broadcast_address},{LEASE}",
        *(f"--dhcp-option=tag:{tag},{option}" for option in options),
    )
