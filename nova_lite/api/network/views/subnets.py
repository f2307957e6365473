"""Subnets as the Network API shows them."""

from __future__ import annotations

from nova_lite.api.network.views.attributes import View, standard
from nova_lite.model.network import Subnet


def subnet(found: Subnet) -> View:
    """Show a subnet whole."""
    return standard(found) | {
        "allocation_pools": [{"start": pool.start, "end": pool.end} for pool in found.pools],
        "cidr": found.cidr,
        "dns_nameservers": list(found.dns_nameservers),
        "enable_dhcp": found.enable_dhcp,
        "gateway_ip": found.gateway_ip,
        "host_routes": [{"destination": route.destination, "nexthop": route.nexthop} for route in found.host_routes],
        "ip_version": 4,
        "ipv6_address_mode": None,
        "ipv6_ra_mode": None,
        "network_id": found.network_id,
        "service_types": [],
        "subnetpool_id": None,
    }
