"""Bodies about subnets. Where only one value is served here, that one may be sent and no other."""

from __future__ import annotations

from nova_lite.api import validate
from nova_lite.api.network.schemas.fields import ID, IPV4, NONE_OF_THEM, PROJECT

_RANGE = {"type": "string", "minLength": 1, "maxLength": 64}
_POOL = validate.body({"start": IPV4, "end": IPV4}, required=("start", "end"))
_ROUTE = validate.body({"destination": _RANGE, "nexthop": IPV4}, required=("destination", "nexthop"))
_CHANGEABLE = {
    "name": validate.TEXT,
    "description": validate.TEXT,
    "gateway_ip": {"anyOf": [IPV4, {"type": "null"}]},
    "allocation_pools": {"type": "array", "items": _POOL, "maxItems": 100},
    "dns_nameservers": {"type": "array", "items": IPV4, "maxItems": 5, "uniqueItems": True},
    "host_routes": {"type": "array", "items": _ROUTE, "maxItems": 20, "uniqueItems": True},
    "enable_dhcp": {"type": "boolean"},
    "service_types": NONE_OF_THEM,
}
_NEW = {
    "network_id": ID,
    "cidr": _RANGE,
    "ip_version": {"enum": [4]},
    "project_id": PROJECT,
    "tenant_id": PROJECT,
    "ipv6_address_mode": {"enum": [None]},
    "ipv6_ra_mode": {"enum": [None]},
    "segment_id": {"enum": [None]},
    "subnetpool_id": {"enum": [None]},
    "use_default_subnetpool": {"enum": [False]},
}

CREATE = validate.body(
    {"subnet": validate.body(_NEW | _CHANGEABLE, required=("network_id", "cidr", "ip_version"))}, required=("subnet",)
)
UPDATE = validate.body({"subnet": validate.body(_CHANGEABLE)}, required=("subnet",))
