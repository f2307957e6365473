"""Ports as the Network API shows them."""

from __future__ import annotations

from nova_lite.api.network.views.attributes import View, standard
from nova_lite.model.network import Port

GUARDED = ("binding:host_id", "binding:profile", "binding:vif_details", "binding:vif_type")


def port(found: Port) -> View:
    """Show a port whole; `GUARDED` are for those only whom a rule lets see them."""
    return standard(found) | {
        "admin_state_up": found.admin_state_up,
        "allowed_address_pairs": [],
        "binding:host_id": found.host or "",
        "binding:profile": {},
        "binding:vif_details": {},
        "binding:vif_type": "bridge" if found.host else "unbound",
        "binding:vnic_type": "normal",
        "device_id": found.server_id or "",
        "device_owner": found.device_owner,
        "extra_dhcp_opts": [],
        "fixed_ips": [{"subnet_id": fixed.subnet_id, "ip_address": fixed.ip_address} for fixed in found.fixed_ips],
        "mac_address": found.mac_address,
        "network_id": found.network_id,
        "port_security_enabled": True,
        "security_groups": [],
        "status": found.status,
    }
