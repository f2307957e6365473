"""Bodies about networks. Where only one value is served here, that one may be sent and no other."""

from __future__ import annotations

from nova_lite.api import validate
from nova_lite.api.network.schemas.fields import NONE_OF_THEM, PROJECT

# Numbers may come as text: python-openstackclient sends them so, and Neutron takes them.
_NUMBER = {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^[0-9]{1,9}$"}]}
_CHANGEABLE = {
    "name": validate.TEXT,
    "admin_state_up": {"type": "boolean"},
    "shared": {"type": "boolean"},
    "description": validate.TEXT,
    "mtu": _NUMBER,
    "router:external": {"enum": [False]},
    "port_security_enabled": {"enum": [True]},
    "is_default": {"enum": [False]},
}
_NEW = {
    "project_id": PROJECT,
    "tenant_id": PROJECT,
    "availability_zone_hints": NONE_OF_THEM,
    "dns_domain": {"enum": ["", None]},
    "qos_policy_id": {"enum": [None]},
    "vlan_transparent": {"enum": [False, None]},
    "provider:network_type": {"enum": ["vxlan"]},
    "provider:physical_network": {"enum": [None]},
    "provider:segmentation_id": _NUMBER,
}

CREATE = validate.body({"network": validate.body(_NEW | _CHANGEABLE)}, required=("network",))
UPDATE = validate.body({"network": validate.body(_CHANGEABLE)}, required=("network",))
