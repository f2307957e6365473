"""Schemas of credentials, signed requests, OAuth and trusts."""

from __future__ import annotations

from nova_lite.api.identity.schemas.parts import BOOLEAN, DESCRIPTION, ID, NAME, wrapped

_NO_ID = {"type": ["string", "null"], "maxLength": 64}
_TEXT = {"type": "string", "maxLength": 4096}
_TYPE = {"type": "string", "minLength": 1, "maxLength": 255}
_BLOB = {"type": "string", "maxLength": 65535}
_CREDENTIAL = {"blob": _BLOB, "type": _TYPE, "user_id": ID, "project_id": _NO_ID}
CREATE_CREDENTIAL = wrapped("credential", _CREDENTIAL, required=("blob", "type", "user_id"))
UPDATE_CREDENTIAL = wrapped("credential", _CREDENTIAL)
CREATE_KEY_PAIR = {
    "type": "object",
    "properties": {"tenant_id": ID},
    "required": ["tenant_id"],
    "additionalProperties": True,
}
_PLAIN = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}, "maxProperties": 200}
_SIGNED = {
    "type": "object",
    "properties": {
        "access": {"type": "string", "maxLength": 255},
        "signature": {"type": "string", "maxLength": 255},
        "token": {"type": "string", "maxLength": 65536},
        "host": _TEXT,
        "verb": {"type": "string", "maxLength": 32},
        "path": _TEXT,
        "params": _PLAIN,
        "headers": {"type": "object", "additionalProperties": _TEXT, "maxProperties": 200},
        "body_hash": {"type": ["string", "null"], "maxLength": 255},
    },
}
SIGNED = {
    "type": "object",
    "properties": {"credentials": _SIGNED, "credential": _SIGNED, "ec2Credentials": _SIGNED},
    "minProperties": 1,
}

_CONSUMER = {"description": DESCRIPTION}
CREATE_CONSUMER = {
    "type": "object",
    "properties": {"consumer": {"type": "object", "properties": _CONSUMER}},
    "required": ["consumer"],
    "additionalProperties": False,
}
UPDATE_CONSUMER = {
    "type": "object",
    "properties": {
        "consumer": {"type": "object", "properties": _CONSUMER, "minProperties": 1, "not": {"required": ["secret"]}}
    },
    "required": ["consumer"],
    "additionalProperties": False,
}
_ROLE = {
    "type": "object",
    "properties": {"id": ID, "name": NAME},
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
}
AUTHORIZE = {
    "type": "object",
    "properties": {"roles": {"type": "array", "items": _ROLE, "minItems": 1, "maxItems": 100}},
    "required": ["roles"],
}

_TRUST_ROLE = _ROLE | {
    "maxProperties": 20,
    "additionalProperties": True,
    "anyOf": [{"required": ["id"]}, {"required": ["name"]}],
}
CREATE_TRUST = wrapped(
    "trust",
    {
        "trustor_user_id": ID,
        "trustee_user_id": ID,
        "impersonation": BOOLEAN,
        "project_id": {"type": ["string", "null"], "minLength": 1, "maxLength": 64},
        "remaining_uses": {"type": ["integer", "null"], "minimum": 1, "maximum": 2147483647},
        "expires_at": {"type": ["string", "null"], "maxLength": 64},
        "allow_redelegation": {"type": ["boolean", "null"]},
        "redelegation_count": {"type": ["integer", "null"], "minimum": 0, "maximum": 2147483647},
        "roles": {"type": "array", "items": _TRUST_ROLE, "maxItems": 100},
    },
    required=("trustor_user_id", "trustee_user_id", "impersonation"),
)
