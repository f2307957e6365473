"""Bodies for requests: the least that a route's schema takes, or one written here where it must speak of something real."""

from __future__ import annotations

from typing import Any

from nova_lite.api.microversion import ByVersion, Version
from nova_lite.api.route import Route

SIMPLE = {"string": "text", "integer": 1, "number": 1, "boolean": True, "null": None}
FORMATS = {
    "uuid": "00000000-0000-0000-0000-0000000000ff",
    "date-time": "2030-01-01T00:00:00Z",
    "uri": "http://cloud.test/x",
    "ipv4": "192.0.2.7",
    "ipv6": "2001:db8::7",
}


def body_of(route: Route, version: Version) -> Any:
    """Make the smallest body that a route's schema takes; None when it takes none."""
    schema = route.body.at(version) if isinstance(route.body, ByVersion) else route.body
    return None if schema is None else example(schema)


def example(schema: dict[str, Any]) -> Any:
    """Make a value that fits a schema."""
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for choice in ("oneOf", "anyOf"):
        if choice in schema:
            return example({key: value for key, value in schema.items() if key != choice} | _merged(schema, schema[choice][0]))
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return _object(schema)
    if kind == "array":
        return [example(schema.get("items", {"type": "string"}))] * schema.get("minItems", 0)
    if kind == "string" and "format" in schema:
        return FORMATS[schema["format"]]
    return max(SIMPLE[kind], schema["minimum"]) if "minimum" in schema else SIMPLE[kind]


def _merged(schema: dict[str, Any], choice: dict[str, Any]) -> dict[str, Any]:
    required = [*schema.get("required", ()), *choice.get("required", ())]
    properties = {**schema.get("properties", {}), **choice.get("properties", {})}
    return choice | ({"required": required} if required else {}) | ({"properties": properties} if properties else {})


def _object(schema: dict[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties", {})
    wanted = list(schema.get("required", ())) or list(properties)[: schema.get("minProperties", 0)]
    made = {name: example(properties.get(name, {"type": "string"})) for name in wanted}
    for number in range(len(made), schema.get("minProperties", 0)):
        made[f"key{number}"] = example(next(iter(schema.get("patternProperties", {}).values()), {"type": "string"}))
    return made
