"""Schemas of users, groups and application credentials."""

from __future__ import annotations

from nova_lite.api.identity.schemas.parts import BOOLEAN, DESCRIPTION, ID, NAME, OPTIONS, PASSWORD, wrapped

_OPTIONAL_ID = {"type": ["string", "null"], "maxLength": 64}
_USER = {
    "name": NAME,
    "password": PASSWORD,
    "enabled": BOOLEAN,
    "domain_id": ID,
    "default_project_id": _OPTIONAL_ID,
    "description": DESCRIPTION,
    "options": OPTIONS,
}
CREATE_USER = wrapped("user", _USER, required=("name",))
UPDATE_USER = wrapped("user", _USER)

_SECRET = {"type": "string", "minLength": 1, "maxLength": 4096}
CHANGE_PASSWORD = wrapped(
    "user", {"original_password": _SECRET, "password": _SECRET}, required=("original_password", "password")
)

_GROUP = {"name": NAME, "domain_id": ID, "description": DESCRIPTION}
CREATE_GROUP = wrapped("group", _GROUP, required=("name",))
UPDATE_GROUP = wrapped("group", _GROUP)

_ROLE = {
    "type": "object",
    "properties": {"id": ID, "name": NAME},
    "anyOf": [{"required": ["id"]}, {"required": ["name"]}],
}
_ACCESS_RULE = {
    "type": "object",
    "properties": {
        "id": ID,
        "service": {"type": "string", "pattern": "^[a-zA-Z0-9-]{1,64}$"},
        "method": {"enum": ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"]},
        "path": {"type": "string", "maxLength": 225, "pattern": "^/"},
    },
    "additionalProperties": False,
    "anyOf": [{"required": ["id"]}, {"required": ["service", "method", "path"]}],
}
CREATE_CREDENTIAL = wrapped(
    "application_credential",
    {
        "name": NAME,
        "description": DESCRIPTION,
        "secret": {"type": ["string", "null"], "minLength": 1, "maxLength": 4096},
        "roles": {"type": "array", "items": _ROLE, "maxItems": 100},
        "expires_at": {"type": ["string", "null"], "maxLength": 64},
        "unrestricted": {"type": ["boolean", "null"]},
        "project_id": ID,
        "access_rules": {"type": ["array", "null"], "items": _ACCESS_RULE, "maxItems": 100},
    },
    required=("name",),
    extra=False,
)
