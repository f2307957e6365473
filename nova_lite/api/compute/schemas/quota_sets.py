"""Bodies and queries of quotas and limits."""

from __future__ import annotations

from nova_lite.api.compute import quota_sets
from nova_lite.api.compute.schemas import types
from nova_lite.api.microversion import ByVersion
from nova_lite.api.validate import TEXT, JsonSchema, body, query

_LIMIT: JsonSchema = {
    "type": ["integer", "string"],
    "pattern": "^-?[0-9]{1,10}$",
    "minimum": -1,
    "maximum": 2**31 - 1,
    "minLength": 1,
}


def _update(names: tuple[str, ...]) -> JsonSchema:
    fields = {name: _LIMIT for name in names} | {"force": types.BOOLEAN, "tenant_id": types.PROJECT_ID}
    return types.within("quota_set", body(fields))


UPDATE = quota_sets.SHOWN.map(_update)  # type: ignore[arg-type]
UPDATE_CLASS = quota_sets.CLASS_SHOWN.map(
    lambda names: types.within("quota_class_set", body({name: _LIMIT for name in names}))  # type: ignore[arg-type, return-value]
)
_USER = {"user_id": TEXT}
SHOW = ByVersion({"2.1": query({}, several=_USER), "2.75": query(_USER, extra=False)})
_LIMITS = {"reserved": TEXT, "tenant_id": TEXT}
LIMITS = ByVersion({"2.1": query({}, several=_LIMITS), "2.75": query({}, several=_LIMITS, extra=False)})
