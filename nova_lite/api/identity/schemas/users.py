"""Schemas of users, groups and application credentials."""

from __future__ import annotations

from nova_lite.api.identity.schemas.parts import BOOLEAN, DESCRIPTION, ID, NAME, OPTION, PASSWORD, wrapped

_OPTIONAL_ID = {"type": ["string", "null"], "maxLength": 64}
_METHODS = {"type": "array", "items": {"type": "string", "maxLength": 64}, "minItems": 1, "maxItems": 8, "uniqueItems": True}
_FLAGS = (
    "ignore_change_password_upon_first_use",
    "ignore_password_expiry",
    "ignore_lockout_failure_attempts",
    "ignore_user_inactivity",
    "lock_password",
    "multi_factor_auth_enabled",
)
_OPTIONS = {
    "type": "object",
    "properties": dict.fromkeys(_FLAGS, OPTION)
    | {"multi_factor_auth_rules": {"type": ["array", "null"], "items": _METHODS, "maxItems": 64, "uniqueItems": True}},
    "additionalProperties": False,
}
_USER = {
    "name": NAME,
    "password": PASSWORD,
    "enabled": BOOLEAN,
    "domain_id": ID,
    "default_project_id": _OPTIONAL_ID,
    "description": DESCRIPTION,
    "options": _OPTIONS,
    "federated": {"type": "array", "maxItems": 0},  # users of other clouds are not offered
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
