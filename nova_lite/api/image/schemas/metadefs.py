"""Schemas of metadata definitions: what bodies are checked with, and what clients read at `/v2/schemas/metadefs/...`.

Clients read definitions by reference (`#/definitions/property`), as they know them; bodies are checked without.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

MOST_TEXT = 65535
_TYPES = ["array", "boolean", "integer", "number", "object", "string", None]
_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 80}
_COUNT: Schema = {"$ref": "#/definitions/positiveInteger"}
_COUNT_OR_0: Schema = {"$ref": "#/definitions/positiveIntegerDefault0"}
_STRINGS: Schema = {"$ref": "#/definitions/stringArray"}
_PROPERTIES: Schema = {"$ref": "#/definitions/property"}
# Other attributes than those listed have no meaning in a definition, and are refused.
_ITEMS: Schema = {
    "type": "object",
    "properties": {"type": {"type": "string", "enum": _TYPES}, "enum": {"type": "array"}},
    "additionalProperties": False,
}
_DEFINED: dict[str, Schema] = {
    "name": _NAME,
    "title": {"type": "string"},
    "description": {"type": "string"},
    "operators": {"type": "array", "items": {"type": "string"}},
    "type": {"type": "string", "enum": _TYPES},
    "required": _STRINGS,
    "minimum": {"type": "number"},
    "maximum": {"type": "number"},
    "maxLength": _COUNT,
    "minLength": _COUNT_OR_0,
    "pattern": {"type": "string", "format": "regex"},
    "enum": {"type": "array"},
    "readonly": {"type": "boolean"},
    "default": {},
    "items": _ITEMS,
    "maxItems": _COUNT,
    "minItems": _COUNT_OR_0,
    "uniqueItems": {"type": "boolean", "default": False},
    "additionalItems": {"type": "boolean"},
}
DEFINITIONS: dict[str, Schema] = {
    "positiveInteger": {"type": "integer", "minimum": 0},
    "positiveIntegerDefault0": {"allOf": [_COUNT, {"default": 0}]},
    "stringArray": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
    "property": {
        "type": "object",
        "propertyNames": _NAME,
        "additionalProperties": {
            "type": "object",
            "required": ["title", "type"],
            "properties": _DEFINED,
            "additionalProperties": False,
        },
    },
}
_LINKS = [{"rel": "first", "href": "{first}"}, {"rel": "next", "href": "{next}"}, {"rel": "describedby", "href": "{schema}"}]


def _time(what: str) -> Schema:
    return {"type": "string", "format": "date-time", "readOnly": True, "description": what}


def _times(noun: str) -> dict[str, Schema]:
    return {"created_at": _time(f"When the {noun} was made"), "updated_at": _time(f"When the {noun} was last changed")}


_TOLD: dict[str, Schema] = {name: {"type": "string", "readOnly": True} for name in ("self", "schema")}
_TAG: dict[str, Schema] = {"name": _NAME}
_OBJECT: dict[str, Schema] = {
    "name": _NAME,
    "description": {"type": "string", "maxLength": MOST_TEXT},
    "required": _STRINGS,
    "properties": _PROPERTIES,
}
_ASSOCIATION: dict[str, Schema] = {
    "name": {**_NAME, "description": "The type of resource; best as Heat calls it, such as OS::Nova::Server."},
    "prefix": {
        "type": "string",
        "maxLength": 80,
        "description": "What names of properties begin with on a resource of this type, its separator included.",
    },
    "properties_target": {
        "type": "string",
        "maxLength": 80,
        "description": "Which properties are meant where a resource has several kinds, such as a volume's image properties.",
    },
}
_NAMESPACE: dict[str, Schema] = {
    "namespace": {**_NAME, "description": "The namespace's name, unique in the cloud."},
    "display_name": {"type": "string", "maxLength": 80, "description": "The name that people are shown."},
    "description": {"type": "string", "maxLength": 500, "description": "What the namespace is about."},
    "visibility": {"type": "string", "enum": ["public", "private"], "description": "Who sees the namespace."},
    "protected": {"type": "boolean", "description": "Whether it is kept from being deleted."},
    "owner": {"type": "string", "maxLength": 255, "description": "The project that the namespace belongs to."},
    "resource_type_associations": {"type": "array", "items": {"type": "object", "properties": _ASSOCIATION}},
    "properties": _PROPERTIES,
    "objects": {"type": "array", "items": {"type": "object", "properties": _OBJECT}},
    "tags": {"type": "array", "items": {"type": "object", "properties": _TAG}},
}

SCHEMAS: dict[str, Schema] = {
    "namespace": {
        "name": "namespace",
        "properties": {**_NAMESPACE, **_times("namespace"), **_TOLD},
        "required": ["namespace"],
        "definitions": DEFINITIONS,
    },
    "object": {
        "name": "object",
        "properties": {**_OBJECT, **_times("object"), **_TOLD},
        "required": ["name"],
        "definitions": DEFINITIONS,
    },
    "property": {
        "name": "property",
        "properties": _DEFINED,
        "required": ["type", "title", "name"],
        "definitions": DEFINITIONS,
    },
    "tag": {"name": "tag", "properties": {**_TAG, **_times("tag")}, "required": ["name"]},
    "resource_type": {
        "name": "resource_type_association",
        "properties": {**_ASSOCIATION, **_times("association")},
        "required": ["name"],
    },
}


def one(noun: str) -> Schema:
    """Give the schema of a thing as clients read it."""
    return {**SCHEMAS[noun], "additionalProperties": False}


def many(noun: str, plural: str) -> Schema:
    """Give the schema of a list of things as clients read it."""
    item = {name: value for name, value in one(noun).items() if name != "definitions"}
    return _collection(noun, plural, {"type": "array", "items": item})


def by_name(noun: str, plural: str) -> Schema:
    """Give the schema of things by their names, which do not stand in the things themselves."""
    item = {name: value for name, value in one(noun).items() if name != "definitions"}
    item["required"] = [name for name in item["required"] if name != "name"]
    return _collection(noun, plural, {"type": "object", "additionalProperties": item})


def _collection(noun: str, plural: str, items: Schema) -> Schema:
    texts = {name: {"type": "string"} for name in ("first", "next", "schema")}
    schema = {"name": plural, "properties": {plural: items, **texts}, "links": _LINKS}
    definitions = SCHEMAS[noun].get("definitions")
    return schema if definitions is None else {**schema, "definitions": definitions}


def _inlined(schema: Any) -> Any:
    """Put what is referred to where it is referred to."""
    if isinstance(schema, list):
        return [_inlined(value) for value in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(DEFINITIONS[schema["$ref"].rpartition("/")[2]])
    return {name: _inlined(value) for name, value in schema.items()}


def _body(properties: dict[str, Schema], required: tuple[str, ...], locked: tuple[str, ...]) -> Schema:
    """What no user may set has any type here: it is refused as read-only, not as malformed."""
    fields = _inlined(properties) | {name: {} for name in locked}
    return {"type": "object", "properties": fields, "required": list(required), "additionalProperties": False}


TIMES = ("created_at", "updated_at")
LOCKED = (*TIMES, "self", "schema")
_NESTED_TAG: Schema = {"type": "object", "properties": _TAG, "required": ["name"], "additionalProperties": False}
TAG = _body(_TAG, ("name",), TIMES)
TAGS = _body({"tags": {"type": "array", "items": _NESTED_TAG}}, ("tags",), TIMES)
OBJECT = _body(_OBJECT, ("name",), LOCKED)
PROPERTY = _body(_DEFINED, ("name", "type", "title"), TIMES)
ASSOCIATION = _body(_ASSOCIATION, ("name",), TIMES)
_NESTED: dict[str, Schema] = {  # a namespace that was read may be sent back as it is
    "resource_type_associations": {"type": "array", "items": ASSOCIATION},
    "objects": {"type": "array", "items": OBJECT},
    "tags": {"type": "array", "items": TAG},
}
NAMESPACE = _body({**_NAMESPACE, **_NESTED}, ("namespace",), LOCKED)
