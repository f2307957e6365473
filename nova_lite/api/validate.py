"""JSON schemas, compiled once; what they say never repeats the value, which may be a secret."""

from __future__ import annotations

import re
from typing import Any

import jsonschema_rs

from nova_lite import errors

JsonSchema = dict[str, Any]


_UUID = re.compile(r"[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
# Formats that this draft of JSON schema does not know by itself.
FORMATS = {"uuid": lambda text: _UUID.fullmatch(text) is not None}


class Schema:
    """A compiled schema. Formats are checked (uuid, date-time, ipv4, ipv6, uri, email)."""

    def __init__(self, source: JsonSchema, *, what: str = "field/attribute") -> None:
        """`what` names in messages what is checked."""
        self.source = source
        self._what = what
        self._validator = jsonschema_rs.Draft7Validator(source, validate_formats=True, formats=FORMATS, mask="The value")

    def check(self, value: Any) -> None:
        """Do nothing when `value` fits. Raises: BadRequest naming the place and the rule."""
        if self._validator.is_valid(value):
            return
        first = next(iter(self._validator.iter_errors(value)))
        place = "/".join(str(step) for step in first.instance_path)
        where = f" {place[:255]}" if place else ""
        raise errors.BadRequest(f"Invalid input for {self._what}{where}. {first.message[:512]}")


class BodySchema(Schema):
    """A schema of request bodies."""


class QuerySchema(Schema):
    """A schema of query strings: an object whose values are lists of strings."""

    def __init__(self, source: JsonSchema) -> None:
        """`source` is a JSON schema of an object of lists; `query()` makes one."""
        super().__init__(source, what="query parameters")


COUNT = {"type": "string", "pattern": "^[0-9]{1,18}$"}
TEXT = {"type": "string", "maxLength": 255}


def query(single: JsonSchema, *, several: JsonSchema | None = None, extra: bool = True) -> JsonSchema:
    """Make a query schema: each of `single` at most once, each of `several` up to 100 times; `extra` allows unknown ones."""
    properties = {name: {"type": "array", "items": schema, "maxItems": 1} for name, schema in single.items()}
    properties |= {name: {"type": "array", "items": schema, "maxItems": 100} for name, schema in (several or {}).items()}
    return {"type": "object", "properties": properties, "additionalProperties": extra}


def body(properties: JsonSchema, *, required: tuple[str, ...] = (), extra: bool = False) -> JsonSchema:
    """Make the schema of an object; unknown fields are refused unless `extra`."""
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": extra}
