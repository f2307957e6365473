"""Schemas of projects and domains."""

from __future__ import annotations

from nova_lite.api.identity.schemas.parts import BOOLEAN, DESCRIPTION, OPTIONS, SHORT_NAME, wrapped

TAGS = {
    "type": "array",
    "items": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[^,/]*$"},
    "maxItems": 80,
    "uniqueItems": True,
}
_PROJECT = {
    "name": SHORT_NAME,
    "description": DESCRIPTION,
    "domain_id": {"type": ["string", "null"], "maxLength": 64},
    "parent_id": {"type": ["string", "null"], "maxLength": 64},
    "is_domain": BOOLEAN,
    "enabled": BOOLEAN,
    "options": OPTIONS,
    "tags": TAGS,
}
CREATE_PROJECT = wrapped("project", _PROJECT, required=("name",))
UPDATE_PROJECT = wrapped("project", _PROJECT, least=0)  # a change of nothing is one, as in Keystone

_DOMAIN = {
    "name": SHORT_NAME,
    "description": {"type": ["string", "null"], "maxLength": 255},
    "enabled": BOOLEAN,
    "options": OPTIONS,
    "tags": TAGS,
}
_DOMAIN_ID = {"type": "string", "pattern": "^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$"}  # a random UUID without dashes
CREATE_DOMAIN = wrapped("domain", _DOMAIN | {"explicit_domain_id": _DOMAIN_ID}, required=("name",))
UPDATE_DOMAIN = wrapped("domain", _DOMAIN)
REPLACE_TAGS = {"type": "object", "properties": {"tags": TAGS}, "required": ["tags"], "additionalProperties": False}
