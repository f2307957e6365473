"""Pieces that several schemas of Identity use."""

from __future__ import annotations

from nova_lite.api.validate import JsonSchema

ID = {"type": "string", "minLength": 1, "maxLength": 64}
NAME = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"\S"}
SHORT_NAME = {"type": "string", "minLength": 1, "maxLength": 64, "pattern": r"\S"}
DESCRIPTION = {"type": ["string", "null"], "maxLength": 16_383}  # of up to 4 bytes each: what MariaDB's TEXT takes
BOOLEAN = {"type": "boolean"}
OPTION = {"type": ["boolean", "null"]}
OPTIONS = {"type": "object", "properties": {"immutable": OPTION}, "additionalProperties": False}
PASSWORD = {"type": ["string", "null"], "maxLength": 4096}


def wrapped(
    noun: str, properties: JsonSchema, *, required: tuple[str, ...] = (), extra: bool = True, least: int = 1
) -> JsonSchema:
    """Make the schema of `{noun: {...}}`, with `least` so many fields; Identity keeps unknown ones of most things (`extra`)."""
    inner = {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": extra,
        "minProperties": least,
    }
    return {"type": "object", "properties": {noun: inner}, "required": [noun], "additionalProperties": False}
