"""Bodies of the server actions that move, copy or halt guests, and of those that only operators use."""

from __future__ import annotations

from typing import Any

from nova_lite.api.compute.schemas import types
from nova_lite.api.compute.schemas.servers import USER_DATA_MAX
from nova_lite.api.microversion import ByVersion
from nova_lite.api.validate import JsonSchema, body

_PASSWORD: JsonSchema = {"type": "string", "maxLength": 255}
_DISK_CONFIG: JsonSchema = {"enum": ["AUTO", "MANUAL"]}
_IMAGE_METADATA: JsonSchema = types.METADATA
_ANY_HOST: JsonSchema = {"type": ["string", "null"], "minLength": 1, "maxLength": 255, "pattern": r"^[a-zA-Z0-9\-._]*$"}


def _or_null(content: JsonSchema) -> JsonSchema:
    return {"oneOf": [{"type": "null"}, content]}


def _fields(name: str, properties: dict[str, Any], *required: str) -> JsonSchema:
    return types.action(name, body(properties, required=required))


PAUSE, UNPAUSE = types.action("pause"), types.action("unpause")
SUSPEND, RESUME = types.action("suspend"), types.action("resume")
SHELVE, OFFLOAD = types.action("shelve"), types.action("shelveOffload")
UNSHELVE = ByVersion(
    {
        "2.1": types.action("unshelve"),
        "2.77": types.action("unshelve", _or_null(body({"availability_zone": types.NAME}, required=("availability_zone",)))),
        "2.91": types.action("unshelve", _or_null(body({"availability_zone": _or_null(types.NAME), "host": types.HOST}))),
    }
)
RESCUE = types.action("rescue", _or_null(body({"adminPass": _PASSWORD, "rescue_image_ref": types.UUID})))
UNRESCUE = types.action("unrescue")

_FLAVOR_REF: JsonSchema = {"type": ["string", "integer"], "minLength": 1, "maxLength": 255}
RESIZE = _fields("resize", {"flavorRef": _FLAVOR_REF, "OS-DCF:diskConfig": _DISK_CONFIG}, "flavorRef")
CONFIRM, REVERT = types.action("confirmResize"), types.action("revertResize")

CREATE_IMAGE = _fields("createImage", {"name": types.NAME, "metadata": _IMAGE_METADATA}, "name")
CREATE_BACKUP = _fields(
    "createBackup",
    {
        "name": types.NAME,
        "backup_type": {"type": "string", "maxLength": 255},
        "rotation": types.NATURAL,
        "metadata": _IMAGE_METADATA,
    },
    *("name", "backup_type", "rotation"),
)
CHANGE_PASSWORD = _fields("changePassword", {"adminPass": _PASSWORD}, "adminPass")

_REBUILD: dict[str, Any] = {
    "imageRef": {"type": "string", "format": "uuid"},
    "name": types.NAME,
    "adminPass": _PASSWORD,
    "metadata": types.METADATA,
    "preserve_ephemeral": types.BOOLEAN,
    "OS-DCF:diskConfig": _DISK_CONFIG,
    "accessIPv4": types.IP_ADDRESS,
    "accessIPv6": types.IP_ADDRESS,
}
_FILES: dict[str, Any] = {
    "personality": {"type": "array", "items": body({"path": {"type": "string"}, "contents": {"type": "string"}})}
}
_REBUILD_219 = _REBUILD | {"description": types.DESCRIPTION}
_REBUILD_254 = _REBUILD_219 | {"key_name": _or_null(types.NAME)}
_REBUILD_257 = _REBUILD_254 | {"user_data": {"type": ["string", "null"], "maxLength": USER_DATA_MAX}}
_CERTIFICATES = _or_null({"type": "array", "minItems": 1, "maxItems": 50, "uniqueItems": True, "items": {"type": "string"}})
_REBUILD_263 = _REBUILD_257 | {"trusted_image_certificates": _CERTIFICATES}
_HOSTNAME: JsonSchema = {
    "type": "string",
    "minLength": 2,
    "maxLength": 63,
    "pattern": r"^[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+$",
}
_FQDN: JsonSchema = {
    "type": "string",
    "minLength": 2,
    "maxLength": 255,
    "pattern": r"^[a-zA-Z0-9]+[a-zA-Z0-9\-.]*[a-zA-Z0-9]+$",
}
REBUILD = ByVersion(
    {
        "2.1": _fields("rebuild", _REBUILD | _FILES, "imageRef"),
        "2.19": _fields("rebuild", _REBUILD_219 | _FILES, "imageRef"),
        "2.54": _fields("rebuild", _REBUILD_254 | _FILES, "imageRef"),
        "2.57": _fields("rebuild", _REBUILD_257, "imageRef"),
        "2.63": _fields("rebuild", _REBUILD_263, "imageRef"),
        "2.90": _fields("rebuild", _REBUILD_263 | {"hostname": _HOSTNAME}, "imageRef"),
        "2.94": _fields("rebuild", _REBUILD_263 | {"hostname": _FQDN}, "imageRef"),
    }
)

MIGRATE = ByVersion({"2.1": types.action("migrate"), "2.56": types.action("migrate", _or_null(body({"host": _ANY_HOST})))})
_FORCE: dict[str, Any] = {"force": types.BOOLEAN}
_LIVE: dict[str, Any] = {"host": _ANY_HOST, "block_migration": types.BOOLEAN}
_LIVE_225 = _LIVE | {"block_migration": {"oneOf": [types.BOOLEAN, {"const": "auto"}]}}
MIGRATE_LIVE = ByVersion(
    {
        "2.1": _fields(
            "os-migrateLive",
            _LIVE | {"disk_over_commit": types.BOOLEAN},
            *("host", "block_migration", "disk_over_commit"),
        ),
        "2.25": _fields("os-migrateLive", _LIVE_225, "host", "block_migration"),
        "2.30": _fields("os-migrateLive", _LIVE_225 | _FORCE, "host", "block_migration"),
        "2.68": _fields("os-migrateLive", _LIVE_225, "host", "block_migration"),
    }
)
_EVACUATE: dict[str, Any] = {"host": types.HOST, "adminPass": _PASSWORD}
EVACUATE = ByVersion(
    {
        "2.1": _fields("evacuate", _EVACUATE | {"onSharedStorage": types.BOOLEAN}, "onSharedStorage"),
        "2.14": _fields("evacuate", _EVACUATE),
        "2.29": _fields("evacuate", _EVACUATE | _FORCE),
        "2.68": _fields("evacuate", _EVACUATE),
    }
)
INJECT_NETWORK_INFO = types.action("injectNetworkInfo")
CRASH_DUMP = types.action("trigger_crash_dump", {"type": "null"})
RESET_STATE = _fields("os-resetState", {"state": {"enum": ["active", "error"]}}, "state")
FORCE_DELETE, RESTORE = types.action("forceDelete"), types.action("restore")

ADD_GROUP = _fields("addSecurityGroup", {"name": types.NAME}, "name")
REMOVE_GROUP = _fields("removeSecurityGroup", {"name": types.NAME}, "name")
_NETWORK_ID: JsonSchema = {"type": ["string", "integer"], "minLength": 1, "maxLength": 255}
ADD_FIXED_IP = _fields("addFixedIp", {"networkId": _NETWORK_ID}, "networkId")
REMOVE_FIXED_IP = _fields("removeFixedIp", {"address": types.IP_ADDRESS}, "address")
ADD_FLOATING_IP = _fields("addFloatingIp", {"address": types.IP_ADDRESS, "fixed_address": types.IP_ADDRESS}, "address")
REMOVE_FLOATING_IP = _fields("removeFloatingIp", {"address": types.IP_ADDRESS}, "address")
RESET_NETWORK = types.action("resetNetwork")


def _console(name: str, *kinds: str) -> JsonSchema:
    return _fields(name, {"type": {"enum": list(kinds)}}, "type")


VNC_CONSOLE = _console("os-getVNCConsole", "novnc", "xvpvnc")
SPICE_CONSOLE = _console("os-getSPICEConsole", "spice-html5")
SERIAL_CONSOLE = _console("os-getSerialConsole", "serial")
RDP_CONSOLE = _console("os-getRDPConsole", "rdp-html5")


def _remote(protocols: tuple[str, ...], kinds: tuple[str, ...]) -> JsonSchema:
    fields = {"protocol": {"enum": list(protocols)}, "type": {"enum": list(kinds)}}
    return types.within("remote_console", body(fields, required=("protocol", "type")))


_PROTOCOLS = ("vnc", "spice", "rdp", "serial")
_KINDS = ("novnc", "xvpvnc", "rdp-html5", "spice-html5", "serial")
REMOTE_CONSOLE = ByVersion(
    {
        "2.6": _remote(_PROTOCOLS, _KINDS),
        "2.8": _remote((*_PROTOCOLS, "mks"), (*_KINDS, "webmks")),
        "2.99": _remote((*_PROTOCOLS, "mks"), (*_KINDS, "webmks", "spice-direct")),
    }
)
