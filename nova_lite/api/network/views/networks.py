"""Networks as the Network API shows them."""

from __future__ import annotations

from nova_lite.api.network.views.attributes import View, standard
from nova_lite.model.network import Network

GUARDED = ("provider:network_type", "provider:physical_network", "provider:segmentation_id")


def network(found: Network) -> View:
    """Show a network whole; `GUARDED` are for those only whom a rule lets see them."""
    return standard(found) | {
        "admin_state_up": found.admin_state_up,
        "availability_zone_hints": [],
        "availability_zones": [],
        "ipv4_address_scope": None,
        "ipv6_address_scope": None,
        "mtu": found.mtu,
        "port_security_enabled": True,
        "provider:network_type": "flat" if found.segment is None else "vxlan",
        "provider:physical_network": found.bridge if found.segment is None else None,
        "provider:segmentation_id": found.segment,
        "router:external": False,
        "shared": found.shared,
        "status": "ACTIVE",
        "subnets": list(found.subnet_ids),
    }
