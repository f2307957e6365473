"""Bodies and queries of server groups, by microversion."""

from __future__ import annotations

from typing import Any

from nova_lite.api.compute.schemas import types
from nova_lite.api.microversion import ByVersion
from nova_lite.api.validate import COUNT, TEXT, JsonSchema, body, query
from nova_lite.model.server_group import AFFINITY, ANTI_AFFINITY, SOFT_AFFINITY, SOFT_ANTI_AFFINITY

_FIRST = (AFFINITY, ANTI_AFFINITY)
_ALL = (*_FIRST, SOFT_AFFINITY, SOFT_ANTI_AFFINITY)


def _group(fields: dict[str, Any]) -> JsonSchema:
    return types.within("server_group", body({"name": types.NAME} | fields, required=("name", *list(fields)[:1])))


def _policies(names: tuple[str, ...]) -> JsonSchema:
    return _group({"policies": {"type": "array", "items": {"enum": list(names)}, "minItems": 1, "maxItems": 1}})


CREATE = ByVersion(
    {
        "2.1": _policies(_FIRST),
        "2.15": _policies(_ALL),
        "2.64": _group({"policy": {"enum": list(_ALL)}, "rules": body({"max_server_per_host": types.POSITIVE})}),
    }
)
_LIST: dict[str, Any] = {"all_projects": TEXT, "limit": COUNT, "offset": COUNT}
LIST = ByVersion({"2.1": query({}, several=_LIST), "2.75": query({}, several=_LIST, extra=False)})
