"""Networks as the Network API shows them."""

from __future__ import annotations

from nova_lite.api.network.views.attributes import View, standard
from nova_lite.model.network import Network

GUARDED = ("provider:network_type", "provider:physical_network", "provider:segmentation_id")


def network(found: Network) -> View:
    """Show a network whole; `GUARDED` are for those only whom a rule lets see them."""
    return standard(found) | {
        "admin_state_up": True,
        "availability_zone_hints": [],
        "availability_zones": [],
        "ipv4_address_scope": None,
        "ipv6_address_scope": None,
        "mtu": found.mtu,
        "port_security_enabled": True,
        "provider:network_type": "flat",
        "provider:physical_network": found.bridge,
        "provider:segmentation_id": None,
        "router:external": False,
        "shared": found.shared,
        "status": "ACTIVE",
        "subnets": list(found.subnet_ids),
    }
