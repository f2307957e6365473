"""Schemas of logging in."""

from __future__ import annotations

from nova_lite.api.identity.schemas.parts import ID, NAME
from nova_lite.api.validate import body

_TEXT = {"type": "string", "maxLength": 255}
_SECRET = {"type": "string", "maxLength": 4096}
_DOMAIN = {"type": "object", "properties": {"id": ID, "name": NAME}, "minProperties": 1}
_USER = {"type": "object", "properties": {"id": ID, "name": _TEXT, "domain": _DOMAIN, "password": _SECRET}}
_NAMED = {"anyOf": [{"required": ["id"]}, {"required": ["name", "domain"]}]}
_PASSWORD_USER = _USER | _NAMED | {"required": ["password"]}
_CREDENTIAL = {
    "type": "object",
    "properties": {"id": ID, "name": _TEXT, "secret": _SECRET, "user": _USER | _NAMED},
    "required": ["secret"],
    "anyOf": [{"required": ["id"]}, {"required": ["name", "user"]}],
}
_TOTP_USER = {
    "type": "object",
    "properties": {"id": ID, "name": _TEXT, "domain": _DOMAIN, "passcode": {"type": "string", "maxLength": 64}},
    "required": ["passcode"],
} | _NAMED
_IDENTITY = {
    "type": "object",
    "properties": {
        "methods": {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": 8},
        "password": {"type": "object", "properties": {"user": _PASSWORD_USER}, "required": ["user"]},
        "token": {"type": "object", "properties": {"id": {"type": "string", "maxLength": 8192}}, "required": ["id"]},
        "application_credential": _CREDENTIAL,
        "totp": {"type": "object", "properties": {"user": _TOTP_USER}, "required": ["user"]},
        "oauth1": {"type": "object"},
    },
    "required": ["methods"],
}
_PROJECT = {"type": "object", "properties": {"id": ID, "name": NAME, "domain": _DOMAIN}} | _NAMED
_SCOPES = {
    "type": "object",
    "properties": {
        "project": _PROJECT,
        "domain": _DOMAIN,
        "system": {"type": "object", "properties": {"all": {"const": True}}, "required": ["all"]},
        "unscoped": {"type": "object"},
        "OS-TRUST:trust": {"type": "object", "properties": {"id": ID}, "required": ["id"]},
    },
    "additionalProperties": False,
    "minProperties": 1,
    "maxProperties": 1,
}
LOGIN = body(
    {
        "auth": {
            "type": "object",
            "properties": {"identity": _IDENTITY, "scope": {"anyOf": [{"const": "unscoped"}, _SCOPES]}},
            "required": ["identity"],
        }
    },
    required=("auth",),
)
