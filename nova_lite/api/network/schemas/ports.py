"""Bodies about ports. Where only one value is served here, that one may be sent and no other."""

from __future__ import annotations

from nova_lite.api import validate

_NONE = {"type": "array", "maxItems": 0}
_ID = {"type": "string", "minLength": 1, "maxLength": 36}
_PROJECT = {"type": "string", "minLength": 1, "maxLength": 64}
_ADDRESS = validate.body({"subnet_id": _ID, "ip_address": {"type": "string", "format": "ipv4"}})
_CHANGEABLE = {
    "name": validate.TEXT,
    "admin_state_up": {"type": "boolean"},
    "device_owner": validate.TEXT,
    "fixed_ips": {"type": "array", "items": _ADDRESS, "minItems": 1, "maxItems": 1},
    "device_id": {"type": "string", "enum": [""]},
    "description": validate.TEXT,
    "allowed_address_pairs": _NONE,
    "extra_dhcp_opts": _NONE,
    "security_groups": _NONE,
    "port_security_enabled": {"enum": [True]},
    "binding:vnic_type": {"enum": ["normal"]},
}
_MAC = {"type": "string", "pattern": "^[0-9a-fA-F][02468aceACE](:[0-9a-fA-F]{2}){5}$"}
_NEW = {"network_id": _ID, "mac_address": _MAC, "project_id": _PROJECT, "tenant_id": _PROJECT}

CREATE = validate.body({"port": validate.body(_NEW | _CHANGEABLE, required=("network_id",))}, required=("port",))
UPDATE = validate.body({"port": validate.body(_CHANGEABLE)}, required=("port",))
