"""Bodies and queries of flavors."""

from __future__ import annotations

from typing import Any

from nova_lite.api.compute.schemas import types
from nova_lite.api.microversion import ByVersion
from nova_lite.api.validate import COUNT, TEXT, JsonSchema, body, query
from nova_lite.db.flavors import SORT_KEYS

MOST = 2**31 - 1
_NAME: JsonSchema = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "pattern": r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?$",
}
_ID: JsonSchema = {"type": ["string", "number", "null"], "minLength": 1, "maxLength": 255, "pattern": r"^[a-zA-Z0-9. _\-]*$"}


def _amount(least: int) -> JsonSchema:
    return {"type": ["integer", "string"], "pattern": "^[0-9]{1,10}$", "minLength": 1, "minimum": least, "maximum": MOST}


_FIRST: dict[str, Any] = {
    "name": _NAME,
    "ram": _amount(1),
    "vcpus": _amount(1),
    "disk": _amount(0),
    "id": _ID,
    "OS-FLV-EXT-DATA:ephemeral": _amount(0),
    "swap": _amount(0),
    "rxtx_factor": {
        "type": ["number", "string"],
        "pattern": r"^[0-9]+(\.[0-9]+)?$",
        "minimum": 0,
        "exclusiveMinimum": 0,
        "maximum": 3.4e38,
    },
    "os-flavor-access:is_public": types.BOOLEAN,
}
_DESCRIPTION: JsonSchema = {"type": ["string", "null"], "maxLength": 65535}
_NEEDED = ("name", "ram", "vcpus", "disk")
_V255 = _FIRST | {"description": _DESCRIPTION}
_V2102 = {name: schema for name, schema in _V255.items() if name != "rxtx_factor"}
CREATE = ByVersion(
    {
        "2.1": types.within("flavor", body(_FIRST, required=_NEEDED)),
        "2.55": types.within("flavor", body(_V255, required=_NEEDED)),
        "2.102": types.within("flavor", body(_V2102, required=_NEEDED)),
    }
)
UPDATE = types.within("flavor", body({"description": _DESCRIPTION}, required=("description",)))

_SORT = {"sort_key": {"enum": list(SORT_KEYS)}, "sort_dir": {"enum": ["asc", "desc"]}}
_LIST: dict[str, Any] = {"limit": COUNT, "marker": TEXT, "is_public": TEXT, "minRam": TEXT, "minDisk": TEXT, **_SORT}
_SORT_2102 = {"enum": [key for key in SORT_KEYS if key != "rxtx_factor"]}
_LIST_2102 = _LIST | {"name": TEXT, "sort_key": _SORT_2102}
LIST = ByVersion(
    {
        "2.1": query(_LIST),
        "2.75": query(_LIST, extra=False),
        "2.102": query(_LIST_2102, extra=False),
    }
)

KEY = r"^[a-zA-Z0-9\-_:. ]{1,255}$"
_SPEC_VALUE: JsonSchema = {"type": ["string", "number"], "maxLength": 255}
_SPECS: JsonSchema = {"type": "object", "patternProperties": {KEY: _SPEC_VALUE}, "additionalProperties": False}
CREATE_SPECS = types.within("extra_specs", _SPECS)
UPDATE_SPEC: JsonSchema = _SPECS | {"minProperties": 1, "maxProperties": 1}

_TENANT = body({"tenant": types.PROJECT_ID}, required=("tenant",))
ADD_ACCESS = types.action("addTenantAccess", _TENANT)
REMOVE_ACCESS = types.action("removeTenantAccess", _TENANT)
