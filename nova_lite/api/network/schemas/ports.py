"""Bodies about ports. Where only one value is served here, that one may be sent and no other."""

from __future__ import annotations

from nova_lite.api import validate
from nova_lite.api.network.schemas.fields import ID, IPV4, NONE_OF_THEM, PROJECT

_ADDRESS = validate.body({"subnet_id": ID, "ip_address": IPV4})
_CHANGEABLE = {
    "name": validate.TEXT,
    "admin_state_up": {"type": "boolean"},
    "device_owner": validate.TEXT,
    "fixed_ips": {"type": "array", "items": _ADDRESS, "minItems": 1, "maxItems": 1},
    "device_id": {"type": "string", "enum": [""]},
    "description": validate.TEXT,
    "allowed_address_pairs": NONE_OF_THEM,
    "extra_dhcp_opts": NONE_OF_THEM,
    "security_groups": NONE_OF_THEM,
    "port_security_enabled": {"enum": [True]},
    "binding:vnic_type": {"enum": ["normal"]},
}
_MAC = {"type": "string", "pattern": "^[0-9a-fA-F][02468aceACE](:[0-9a-fA-F]{2}){5}$"}
_NEW = {"network_id": ID, "mac_address": _MAC, "project_id": PROJECT, "tenant_id": PROJECT}

CREATE = validate.body({"port": validate.body(_NEW | _CHANGEABLE, required=("network_id",))}, required=("port",))
UPDATE = validate.body({"port": validate.body(_CHANGEABLE)}, required=("port",))
