"""The small schemas that bodies and queries are made of."""

from __future__ import annotations

from nova_lite.api.compute import flags
from nova_lite.api.validate import JsonSchema

_CONTROL = r"\x00-\x1f\x7f"
NAME: JsonSchema = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    # printable, and no white space at either end
    "pattern": rf"^[^\s{_CONTROL}]([^{_CONTROL}]*[^\s{_CONTROL}])?$",
}
DESCRIPTION: JsonSchema = {"type": ["string", "null"], "maxLength": 255, "pattern": rf"^[^{_CONTROL}]*$"}
# The format alone would let everything through: the draft that schemas are read in does not know it.
_UUID = "^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$"
UUID: JsonSchema = {"type": "string", "format": "uuid", "pattern": _UUID}
UUID_OR_EMPTY: JsonSchema = {"oneOf": [UUID, {"type": "string", "maxLength": 0}]}
BOOLEAN: JsonSchema = {"enum": list(flags.IN_BODIES)}
POSITIVE: JsonSchema = {
    "type": ["integer", "string"],
    "pattern": "^[0-9]{1,9}$",
    "minimum": 1,
    "maximum": 2**31 - 1,
    "minLength": 1,
}
NATURAL: JsonSchema = {
    "type": ["integer", "string"],
    "pattern": "^[0-9]{1,10}$",
    "minimum": 0,
    "maximum": 2**31 - 1,
    "minLength": 1,
}
IP_ADDRESS: JsonSchema = {"type": "string", "oneOf": [{"format": "ipv4"}, {"format": "ipv6"}]}
IPV4_OR_EMPTY: JsonSchema = {"oneOf": [{"type": "string", "format": "ipv4"}, {"type": "string", "maxLength": 0}]}
IPV6_OR_EMPTY: JsonSchema = {"oneOf": [{"type": "string", "format": "ipv6"}, {"type": "string", "maxLength": 0}]}
METADATA: JsonSchema = {
    "type": "object",
    "patternProperties": {r"^[a-zA-Z0-9\-_:. ]{1,255}$": {"type": "string", "maxLength": 255}},
    "additionalProperties": False,
}
TAG: JsonSchema = {"type": "string", "minLength": 1, "maxLength": 60, "pattern": "^[^,/]*$"}
PROJECT_ID: JsonSchema = {"type": "string", "minLength": 1, "maxLength": 64, "pattern": r"^[a-zA-Z0-9\-]*$"}
HOST: JsonSchema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[a-zA-Z0-9\-._]*$"}
NOTHING: JsonSchema = {}  # a value that does not matter, mostly null


def action(name: str, content: JsonSchema = NOTHING) -> JsonSchema:
    """Make the schema of an action's body."""
    return {"type": "object", "properties": {name: content}, "required": [name], "additionalProperties": False}


def within(name: str, content: JsonSchema) -> JsonSchema:
    """Make the schema of a body whose only key is a resource's name."""
    return action(name, content)
