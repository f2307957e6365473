"""Bodies and queries of what old clients still call."""

from __future__ import annotations

from nova_lite.api.compute.schemas import types
from nova_lite.api.validate import TEXT, JsonSchema, body, query

_NAME: JsonSchema = {"type": ["string", "null"], "maxLength": 255}
GROUP = types.within("security_group", body({"name": _NAME, "description": _NAME}))
GROUP_RULE = types.within("security_group_rule", body({}, extra=True))
ADDRESS = body({"pool": _NAME})
NODE = body({}, extra=True)
VOLUME = types.within(
    "volume",
    body(
        {
            "volume_type": _NAME,
            "metadata": {"type": ["object", "null"]},
            "snapshot_id": _NAME,
            "size": types.POSITIVE,
            "availability_zone": _NAME,
            "display_name": _NAME,
            "display_description": _NAME,
        },
        required=("size",),
    ),
)
_SNAPSHOT = {"volume_id": {"type": "string", "maxLength": 255}, "force": types.BOOLEAN, "display_name": _NAME}
SNAPSHOT = types.within("snapshot", body(_SNAPSHOT | {"display_description": _NAME}, required=("volume_id",)))
HOSTS = query({}, several={"zone": TEXT, "service": TEXT})
_WORD: JsonSchema = {"type": "string", "pattern": "^([eE][nN]|[dD][iI][sS])[aA][bB][lL][eE]$", "maxLength": 7}
UPDATE_HOST: JsonSchema = body({"status": _WORD, "maintenance_mode": _WORD}) | {"minProperties": 1}
