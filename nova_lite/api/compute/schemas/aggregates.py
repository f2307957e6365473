"""Bodies of what is done with aggregates."""

from __future__ import annotations

from nova_lite.api.compute.schemas import types
from nova_lite.api.validate import JsonSchema, body

# A colon would end the zone's name in a create request (`zone:host`).
_ZONE_NAME: JsonSchema = {"allOf": [types.NAME, {"pattern": "^[^:]*$"}]}
_ZONE: JsonSchema = {"oneOf": [_ZONE_NAME, {"type": "null"}]}
_FIELDS: JsonSchema = {"name": types.NAME, "availability_zone": _ZONE}
CREATE = types.within("aggregate", body(_FIELDS, required=("name",)))
UPDATE = types.within("aggregate", body(_FIELDS) | {"minProperties": 1})
ADD_HOST = types.action("add_host", body({"host": types.HOST}, required=("host",)))
REMOVE_HOST = types.action("remove_host", body({"host": types.HOST}, required=("host",)))
_METADATA: JsonSchema = {
    "type": "object",
    "properties": {"availability_zone": _ZONE},
    "patternProperties": {r"^[a-zA-Z0-9\-_:. ]{1,255}$": {"type": ["string", "null"], "maxLength": 255}},
    "additionalProperties": False,
}
SET_METADATA = types.action("set_metadata", body({"metadata": _METADATA}, required=("metadata",)))
IMAGES = body(
    {"cache": {"type": "array", "minItems": 1, "items": body({"id": types.UUID}, required=("id",))}}, required=("cache",)
)
