"""Bodies and queries of what operators look at: hypervisors, services."""

from __future__ import annotations

from typing import Any

from nova_lite.api.compute.schemas import types
from nova_lite.api.microversion import ByVersion
from nova_lite.api.validate import COUNT, TEXT, JsonSchema, body, query

_PAGE: dict[str, Any] = {"limit": COUNT, "marker": TEXT}
_FLAG: JsonSchema = {"type": "string", "maxLength": 8}
_LIST_253 = _PAGE | {"hypervisor_hostname_pattern": {"type": "string", "minLength": 1, "maxLength": 255}, "with_servers": _FLAG}
HYPERVISORS = ByVersion(
    {"2.1": query({}), "2.33": query(_PAGE), "2.53": query(_LIST_253), "2.75": query(_LIST_253, extra=False)}
)
HYPERVISOR = ByVersion(
    {"2.1": query({}), "2.53": query({"with_servers": _FLAG}), "2.75": query({"with_servers": _FLAG}, extra=False)}
)

_SERVICES: dict[str, Any] = {"host": TEXT, "binary": TEXT}
SERVICES = ByVersion({"2.1": query({}, several=_SERVICES), "2.75": query({}, several=_SERVICES, extra=False)})
_REASON: JsonSchema = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "pattern": r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?$",
}
UPDATE_SERVICE = body({"status": {"enum": ["enabled", "disabled"]}, "disabled_reason": _REASON, "forced_down": types.BOOLEAN})
_WHICH: dict[str, Any] = {"host": types.HOST, "binary": {"type": "string", "minLength": 1, "maxLength": 255}}
SWITCH = body(_WHICH, required=("host", "binary"))
DISABLE_WITH_REASON = body(_WHICH | {"disabled_reason": _REASON}, required=("host", "binary", "disabled_reason"))
FORCE_DOWN = body(_WHICH | {"forced_down": types.BOOLEAN}, required=("host", "binary"))
ANYTHING = body({}, extra=True)  # of what is not done in any case
