"""Bodies for clients of the older API, who were never told of a field that nobody reads: such fields are dropped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from nova_lite.api.validate import JsonSchema

_BRANCHES = ("allOf", "anyOf", "oneOf")


def without_unknown(value: Any, schemas: Sequence[JsonSchema]) -> Any:
    """Give a body without the fields that the schemas' closed objects do not name; nothing else is judged.

    Objects whose names follow a pattern (metadata, extra specs) stay as they are: there every name means something.
    Source: Nova's v2.0 on the code of v2.1.
    """
    forms = list(_branches(schemas))
    if isinstance(value, list):
        items = [form["items"] for form in forms if isinstance(form.get("items"), dict)]
        return [without_unknown(item, items) for item in value]
    if not isinstance(value, dict):
        return value
    closed = any(form.get("additionalProperties") is False and "patternProperties" not in form for form in forms)
    known: dict[str, list[JsonSchema]] = {}
    for form in forms:
        for name, schema in form.get("properties", {}).items():
            known.setdefault(name, []).append(schema)
    return {name: without_unknown(field, known.get(name, ())) for name, field in value.items() if name in known or not closed}


def _branches(schemas: Iterable[JsonSchema]) -> Iterator[JsonSchema]:
    """Go through schemas and all that they choose from for the same value."""
    for schema in schemas:
        yield schema
        for branch in _BRANCHES:
            yield from _branches(schema.get(branch, ()))
