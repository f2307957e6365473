"""Bodies and queries of what hangs on a server beside its parts: interfaces, volumes, shares, migrations, and of usage."""

from __future__ import annotations

from typing import Any

from nova_lite.api.compute.schemas import types
from nova_lite.api.microversion import ByVersion
from nova_lite.api.validate import COUNT, TEXT, JsonSchema, body, query

# -- interfaces

_FIXED_IPS: JsonSchema = {
    "type": "array",
    "minItems": 1,
    "maxItems": 1,
    "items": body({"ip_address": types.IP_ADDRESS}, required=("ip_address",)),
}
_INTERFACE: dict[str, Any] = {"net_id": types.UUID, "port_id": types.UUID, "fixed_ips": _FIXED_IPS}


def _interface(fields: dict[str, Any]) -> JsonSchema:
    return body({"interfaceAttachment": body(fields)})


ATTACH_INTERFACE = ByVersion({"2.1": _interface(_INTERFACE), "2.49": _interface(_INTERFACE | {"tag": types.TAG})})

# -- volumes and shares

_DEVICE: JsonSchema = {"type": ["string", "null"], "maxLength": 255, "pattern": r"^(/dev/)?[a-z]{1,16}$"}
_VOLUME: dict[str, Any] = {"volumeId": types.UUID, "device": _DEVICE}
_VOLUME_249 = _VOLUME | {"tag": types.TAG}
_VOLUME_279 = _VOLUME_249 | {"delete_on_termination": types.BOOLEAN}


def _volume(fields: dict[str, Any]) -> JsonSchema:
    return types.within("volumeAttachment", body(fields, required=("volumeId",)))


ATTACH_VOLUME = ByVersion({"2.1": _volume(_VOLUME), "2.49": _volume(_VOLUME_249), "2.79": _volume(_VOLUME_279)})
_SWAP = _volume({"volumeId": types.UUID})
_CHANGE = _volume(
    {
        "volumeId": types.UUID,
        "device": _DEVICE,
        "tag": types.TAG,
        "delete_on_termination": types.BOOLEAN,
        "serverId": types.UUID,
        "id": types.UUID,
    }
)
CHANGE_ATTACHMENT = ByVersion({"2.1": _SWAP, "2.85": _CHANGE})
_PAGE = {"limit": COUNT, "offset": COUNT}
ATTACHMENTS = ByVersion({"2.1": query(_PAGE), "2.75": query(_PAGE, extra=False)})
_SHARE = body({"share_id": types.UUID, "tag": types.TAG}, required=("share_id",))
ATTACH_SHARE = types.within("share", _SHARE)

# -- snapshots that other services ask for

_INFO = body(
    {
        "snapshot_id": {"type": "string", "minLength": 1, "maxLength": 255},
        "type": {"enum": ["qcow2"]},
        "new_file": {"type": "string", "minLength": 1, "maxLength": 1024},
        "id": {"type": "string", "minLength": 1, "maxLength": 255},
    },
    required=("snapshot_id", "type", "new_file"),
)
CREATE_SNAPSHOT = types.within(
    "snapshot", body({"volume_id": types.UUID, "create_info": _INFO}, required=("volume_id", "create_info"), extra=True)
)
DELETE_SNAPSHOT = query({"delete_info": {"type": "string", "maxLength": 65535}})

# -- migrations

_MIGRATIONS: dict[str, Any] = {
    "hidden": TEXT,
    "host": TEXT,
    "instance_uuid": TEXT,
    "source_compute": TEXT,
    "status": TEXT,
    "migration_type": TEXT,
}
_MIGRATIONS_259 = _MIGRATIONS | {"limit": COUNT, "marker": {"type": "string", "format": "uuid"}, "changes-since": TEXT}
_MIGRATIONS_266 = _MIGRATIONS_259 | {"changes-before": TEXT}
_MIGRATIONS_280 = _MIGRATIONS_266 | {"user_id": TEXT, "project_id": TEXT}
MIGRATIONS = ByVersion(
    {
        "2.1": query(_MIGRATIONS),
        "2.59": query(_MIGRATIONS_259, extra=False),
        "2.66": query(_MIGRATIONS_266, extra=False),
        "2.80": query(_MIGRATIONS_280, extra=False),
    }
)
FORCE_COMPLETE = types.action("force_complete", {"type": "null"})

# -- events of other services

_EVENTS = ("network-changed", "network-vif-plugged", "network-vif-unplugged", "network-vif-deleted")
_EVENTS_251 = (*_EVENTS, "volume-extended")
_EVENTS_276 = (*_EVENTS_251, "power-update")
_EVENTS_282 = (*_EVENTS_276, "accelerator-request-bound")


def _events(names: tuple[str, ...]) -> JsonSchema:
    event = body(
        {
            "server_uuid": types.UUID,
            "name": {"enum": list(names)},
            "status": {"enum": ["failed", "completed", "in-progress"]},
            "tag": {"type": "string", "minLength": 1, "maxLength": 255},
        },
        required=("server_uuid", "name"),
    )
    return types.within("events", {"type": "array", "minItems": 1, "maxItems": 1000, "items": event})


EVENTS = ByVersion(
    {
        "2.1": _events(_EVENTS),
        "2.51": _events(_EVENTS_251),
        "2.76": _events(_EVENTS_276),
        "2.82": _events(_EVENTS_282),
        "2.93": _events((*_EVENTS_282, "volume-reimaged")),
    }
)

# -- usage

_TIMES = {"start": TEXT, "end": TEXT}
_PAGED = {"limit": COUNT, "marker": TEXT}


def _usage(fields: dict[str, Any]) -> ByVersion[JsonSchema]:
    return ByVersion(
        {
            "2.1": query({}, several=fields),
            "2.40": query(_PAGED, several=fields),
            "2.75": query(_PAGED, several=fields, extra=False),
        }
    )


USAGES = _usage(_TIMES | {"detailed": TEXT})
USAGE = _usage(_TIMES)
