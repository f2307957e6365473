"""Schemas of regions, services and endpoints."""

from __future__ import annotations

from nova_lite.api.identity.schemas.parts import BOOLEAN, DESCRIPTION, ID, wrapped

_REGION_ID = {"type": ["string", "null"], "maxLength": 255}
_PARENT_ID = _REGION_ID | {"minLength": 1}
_REGION = {"id": _REGION_ID, "description": {"type": ["string", "null"], "maxLength": 255}, "parent_region_id": _PARENT_ID}
CREATE_REGION = {
    "type": "object",
    "properties": {"region": {"type": "object", "properties": _REGION}},
    "required": ["region"],
    "additionalProperties": False,
}
UPDATE_REGION = wrapped("region", _REGION)

_TEXT = {"type": "string", "minLength": 1, "maxLength": 255}
_SERVICE = {"type": _TEXT, "name": _TEXT, "description": DESCRIPTION, "enabled": BOOLEAN}
CREATE_SERVICE = wrapped("service", _SERVICE, required=("type",))
UPDATE_SERVICE = wrapped("service", _SERVICE)

_ENDPOINT = {
    "interface": {"enum": ["public", "internal", "admin"]},
    "service_id": ID,
    "region_id": _PARENT_ID,
    "region": _PARENT_ID,
    "url": {"type": "string", "minLength": 1, "maxLength": 225, "pattern": "^[a-zA-Z0-9+.-]+:.+"},
    "enabled": BOOLEAN,
    "name": {"type": ["string", "null"], "maxLength": 255},
    "description": DESCRIPTION,
}
CREATE_ENDPOINT = wrapped("endpoint", _ENDPOINT, required=("interface", "service_id", "url"))
UPDATE_ENDPOINT = wrapped("endpoint", _ENDPOINT)
