"""Bodies and queries of servers, by microversion."""

from __future__ import annotations

from typing import Any

from nova_lite.api.compute.schemas import types
from nova_lite.api.microversion import ByVersion
from nova_lite.api.validate import JsonSchema, body

MAX_TAGS = 50
USER_DATA_MAX = 65535

_HINTS: JsonSchema = {
    "type": "object",
    "properties": {
        "group": types.UUID,
        "different_host": {"oneOf": [types.UUID, {"type": "array", "items": types.UUID}]},
        "same_host": {"oneOf": [types.UUID, {"type": "array", "items": types.UUID}]},
        "query": {"type": ["string", "object"]},
        "target_cell": types.NAME,
        "different_cell": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        "build_near_host_ip": types.IP_ADDRESS,
        "cidr": {"type": "string", "pattern": "^/[0-9a-f.:]+$"},
    },
    "additionalProperties": True,
    "maxProperties": 32,
}
_DEVICE: dict[str, Any] = {
    "virtual_name": {"type": "string", "maxLength": 255},
    "volume_id": types.UUID,
    "snapshot_id": types.UUID,
    "volume_size": types.NATURAL,
    "device_name": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[a-zA-Z0-9._\-/]*$"},
    "delete_on_termination": types.BOOLEAN,
    "no_device": {},
    "connection_info": {"type": "string", "maxLength": 65535},
}
_DEVICE_V2: dict[str, Any] = _DEVICE | {
    "source_type": {"enum": ["volume", "image", "snapshot", "blank"]},
    "uuid": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[a-zA-Z0-9._\-]*$"},
    "image_id": types.UUID,
    "destination_type": {"enum": ["local", "volume"]},
    "guest_format": {"type": ["string", "null"], "maxLength": 255},
    "device_type": {"type": ["string", "null"], "maxLength": 255},
    "disk_bus": {"type": ["string", "null"], "maxLength": 255},
    "boot_index": {"type": ["integer", "string", "null"], "pattern": "^-?[0-9]+$"},
}
_PORT: JsonSchema = {"oneOf": [types.UUID, {"type": "null"}]}
_NETWORK: dict[str, Any] = {"fixed_ip": types.IP_ADDRESS, "port": _PORT, "uuid": {"type": "string", "maxLength": 255}}
_DISK_CONFIG: JsonSchema = {"enum": ["AUTO", "MANUAL"]}
_PERSONALITY: JsonSchema = {
    "type": "array",
    "items": body({"path": {"type": "string", "minLength": 1}, "contents": {"type": "string"}}, required=("path", "contents")),
}
_HOSTNAME: JsonSchema = {
    "type": "string",
    "minLength": 2,
    "maxLength": 63,
    "pattern": "^[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+$",
}
_FQDN: JsonSchema = {
    "type": "string",
    "minLength": 2,
    "maxLength": 255,
    "pattern": r"^[a-zA-Z0-9]+[a-zA-Z0-9\-.]*[a-zA-Z0-9]+$",
}
_CERTIFICATES: JsonSchema = {
    "oneOf": [
        {"type": "array", "minItems": 1, "maxItems": 50, "uniqueItems": True, "items": {"type": "string", "minLength": 1}},
        {"type": "null"},
    ]
}


def _array(properties: dict[str, Any]) -> JsonSchema:
    return {"type": "array", "items": body(properties), "maxItems": 256}


def _networks(properties: dict[str, Any]) -> JsonSchema:
    return {"oneOf": [_array(properties | {"uuid": types.UUID}), {"enum": ["none", "auto"]}]}


def _create(changes: dict[str, Any], *, without: tuple[str, ...] = (), required: tuple[str, ...] = ()) -> JsonSchema:
    properties = {name: schema for name, schema in (_CREATE_FIRST | changes).items() if name not in without}
    server = body(properties, required=("name", "flavorRef", *required))
    return body({"server": server, "os:scheduler_hints": _HINTS, "OS-SCH-HNT:scheduler_hints": _HINTS}, required=("server",))


_CREATE_FIRST: dict[str, Any] = {
    "name": types.NAME,
    "imageRef": types.UUID_OR_EMPTY,
    "flavorRef": {"type": ["string", "integer"], "minLength": 1, "maxLength": 2048},
    "adminPass": {"type": "string", "maxLength": 255},
    "metadata": types.METADATA,
    "networks": _array(_NETWORK),
    "OS-DCF:diskConfig": _DISK_CONFIG,
    "accessIPv4": types.IPV4_OR_EMPTY,
    "accessIPv6": types.IPV6_OR_EMPTY,
    "personality": _PERSONALITY,
    "availability_zone": types.NAME,
    "block_device_mapping": _array(_DEVICE),
    "block_device_mapping_v2": _array(_DEVICE_V2),
    "config_drive": types.BOOLEAN,
    "key_name": types.NAME,
    "min_count": types.POSITIVE,
    "max_count": types.POSITIVE,
    "return_reservation_id": types.BOOLEAN,
    "security_groups": _array({"name": types.NAME}),
    "user_data": {"type": "string", "maxLength": USER_DATA_MAX},
}

_TAGGED = {"tag": types.TAG}
_V219: dict[str, Any] = {"description": types.DESCRIPTION}
_V232 = _V219 | {
    "networks": _array(_NETWORK | _TAGGED),
    "block_device_mapping_v2": _array(_DEVICE_V2 | _TAGGED),
}
_V233 = _V219 | {"networks": _array(_NETWORK | _TAGGED)}
_V237 = _V219 | {"networks": _networks(_NETWORK)}
_V242 = _V219 | {"networks": _networks(_NETWORK | _TAGGED), "block_device_mapping_v2": _array(_DEVICE_V2 | _TAGGED)}
_V252 = _V242 | {"tags": {"type": "array", "items": types.TAG, "maxItems": MAX_TAGS}}
_V263 = _V252 | {"trusted_image_certificates": _CERTIFICATES}
_V267 = _V263 | {
    "block_device_mapping_v2": _array(_DEVICE_V2 | _TAGGED | {"volume_type": {"type": ["string", "null"], "maxLength": 255}})
}
_V274 = _V267 | {"host": types.HOST, "hypervisor_hostname": types.HOST}
_V290 = _V274 | {"hostname": _HOSTNAME}
_V294 = _V290 | {"hostname": _FQDN}
_NO_FILES = ("personality",)
_NEEDED = ("networks",)

CREATE = ByVersion(
    {
        "2.1": _create({}),
        "2.19": _create(_V219),
        "2.32": _create(_V232),
        "2.33": _create(_V233),
        "2.37": _create(_V237, required=_NEEDED),
        "2.42": _create(_V242, required=_NEEDED),
        "2.52": _create(_V252, required=_NEEDED),
        "2.57": _create(_V252, without=_NO_FILES, required=_NEEDED),
        "2.63": _create(_V263, without=_NO_FILES, required=_NEEDED),
        "2.67": _create(_V267, without=_NO_FILES, required=_NEEDED),
        "2.74": _create(_V274, without=_NO_FILES, required=_NEEDED),
        "2.90": _create(_V290, without=_NO_FILES, required=_NEEDED),
        "2.94": _create(_V294, without=_NO_FILES, required=_NEEDED),
    }
)

_UPDATE_FIRST: dict[str, Any] = {
    "name": types.NAME,
    "OS-DCF:diskConfig": _DISK_CONFIG,
    "accessIPv4": types.IPV4_OR_EMPTY,
    "accessIPv6": types.IPV6_OR_EMPTY,
}
_UPDATE_219 = _UPDATE_FIRST | {"description": types.DESCRIPTION}
_UPDATE_294 = _UPDATE_219 | {"hostname": _FQDN}
_ZONE_OR_NULL: JsonSchema = {"oneOf": [types.NAME, {"type": "null"}]}
UPDATE = ByVersion(
    {
        "2.1": types.within("server", body(_UPDATE_FIRST)),
        "2.19": types.within("server", body(_UPDATE_219)),
        "2.90": types.within("server", body(_UPDATE_219 | {"hostname": _HOSTNAME})),
        "2.94": types.within("server", body(_UPDATE_294)),
        "2.104": types.within("server", body(_UPDATE_294 | {"pinned_availability_zone": _ZONE_OR_NULL})),
    }
)

START = types.action("os-start")
STOP = types.action("os-stop")
REBOOT = types.action("reboot", body({"type": {"enum": ["HARD", "Hard", "hard", "SOFT", "Soft", "soft"]}}, required=("type",)))
_LENGTH: JsonSchema = {"type": ["integer", "string", "null"], "pattern": "^-?[0-9]{1,9}$", "minimum": -1}
CONSOLE_OUTPUT = types.action("os-getConsoleOutput", body({"length": _LENGTH}))
LOCK = ByVersion(
    {
        "2.1": types.action("lock"),
        "2.73": types.action(
            "lock",
            {
                "oneOf": [
                    {"type": "null"},
                    body({"locked_reason": {"type": "string", "minLength": 1, "maxLength": 255}}),
                ]
            },
        ),
    }
)
UNLOCK = types.action("unlock")

TAGS = types.within("tags", {"type": "array", "items": types.TAG, "maxItems": MAX_TAGS})
METADATA = types.within("metadata", types.METADATA)
META = types.within("meta", types.METADATA | {"minProperties": 1, "maxProperties": 1})
