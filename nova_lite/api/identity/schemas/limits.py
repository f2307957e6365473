"""Schemas of limits, documents of policy, endpoint groups, and configurations of domains."""

from __future__ import annotations

from nova_lite.api.identity.schemas.parts import DESCRIPTION, ID, NAME, wrapped
from nova_lite.api.validate import JsonSchema

_AMOUNT = {"type": "integer", "minimum": -1, "maximum": 0x7FFFFFFF}
_REGION_ID = {"type": ["string", "null"], "minLength": 1, "maxLength": 255}
_NO_ID = {"type": ["string", "null"], "minLength": 1, "maxLength": 64}
_REGISTERED = {
    "service_id": ID,
    "region_id": _REGION_ID,
    "resource_name": NAME,
    "default_limit": _AMOUNT,
    "description": DESCRIPTION,
}
_LIMIT = {
    "service_id": ID,
    "region_id": _REGION_ID,
    "resource_name": NAME,
    "resource_limit": _AMOUNT,
    "description": DESCRIPTION,
    "project_id": _NO_ID,
    "domain_id": _NO_ID,
}


def _list_of(noun: str, properties: JsonSchema, required: tuple[str, ...], **more: object) -> JsonSchema:
    item = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False, **more}
    several = {"type": "array", "items": item, "minItems": 1, "maxItems": 1000}
    return {"type": "object", "properties": {noun: several}, "required": [noun], "additionalProperties": False}


CREATE_REGISTERED = _list_of("registered_limits", _REGISTERED, ("service_id", "resource_name", "default_limit"))
UPDATE_REGISTERED = wrapped("registered_limit", _REGISTERED, extra=False)
CREATE_LIMITS = _list_of(
    "limits",
    _LIMIT,
    ("service_id", "resource_name", "resource_limit"),
    oneOf=[{"required": ["project_id"]}, {"required": ["domain_id"]}],
)
UPDATE_LIMIT = wrapped("limit", {"resource_limit": _AMOUNT, "description": DESCRIPTION}, extra=False)

_POLICY = {"type": {"type": "string", "minLength": 1, "maxLength": 255}, "blob": {"type": "string"}}
CREATE_POLICY = wrapped("policy", _POLICY, required=("blob", "type"))
UPDATE_POLICY = wrapped("policy", _POLICY)

_FILTERS = {
    "type": "object",
    "properties": {
        "service_id": ID,
        "region_id": {"type": ["string", "null"], "minLength": 1, "maxLength": 255},
        "interface": {"enum": ["public", "internal", "admin"]},
        "enabled": {"type": "boolean"},
    },
    "additionalProperties": False,
}
_GROUP = {"name": NAME, "description": DESCRIPTION, "filters": _FILTERS}
CREATE_GROUP = wrapped("endpoint_group", _GROUP, required=("name", "filters"), extra=False)
UPDATE_GROUP = wrapped("endpoint_group", _GROUP, extra=False)
# Which groups and options there are, the rules say, for the original refuses others with 403.
DOMAIN_CONFIG = {
    "type": "object",
    "properties": {"config": {"type": "object"}},
    "required": ["config"],
    "additionalProperties": False,
}
