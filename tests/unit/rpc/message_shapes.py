"""The shape of everything that daemons of two releases read from each other, and the record of a release's.

`PYTHONPATH=. python tests/unit/rpc/message_shapes.py > tests/unit/rpc/messages-1.0.json` writes the record anew. Do so for
a new release, when no daemon of the recorded one can be in the same cloud any more (docs/operate/upgrade.md).
"""

from __future__ import annotations

import dataclasses
import enum
import json
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from nova_lite.compute.ledger import Outcome
from nova_lite.compute.wiring.notes import Plugged
from nova_lite.durable.progress import State
from nova_lite.model.placement import PlacementRequest, Ranking
from nova_lite.rpc import commands, compute, conductor
from nova_lite.rpc.join import JoinFile
from nova_lite.rpc.letter import Letter
from nova_lite.workflows import boot, boot_many, placing, shelve, unshelve
from nova_lite.workflows.registry import REGISTRY

UNKNOWN = "field_of_a_later_release"


def messages() -> list[type]:
    """List what travels between daemons."""
    return [*_made_in(commands, compute, conductor), PlacementRequest, Ranking, Letter]


def stored() -> list[type]:
    """List what is kept as JSON: each workflow's parameters and results, the engine's state, a host's own files."""
    params = {workflow.params: None for workflow in REGISTRY.all()}
    return [*params, *_made_in(boot, boot_many, placing, shelve, unshelve), State, Outcome, Plugged, JoinFile]


def _made_in(*modules: types.ModuleType) -> list[type]:
    return [
        kind
        for module in modules
        for kind in vars(module).values()
        if isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind.__module__ == module.__name__
    ]


def with_parts(kinds: list[type]) -> dict[str, type]:
    """Give these and all dataclasses inside them by name; one whose name another has is told by its module."""
    found: dict[str, type] = {}
    for kind in kinds:
        for inner in (kind, *_parts_of(kind)):
            if found.setdefault(inner.__name__, inner) is not inner:
                found[f"{inner.__name__} of {inner.__module__.rpartition('.')[2]}"] = inner
    return dict(sorted(found.items()))


def _parts_of(hint: Any) -> Iterator[type]:
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        for inner in typing.get_type_hints(hint).values():
            if isinstance(inner, type) and dataclasses.is_dataclass(inner):
                yield inner
            yield from _parts_of(inner)
        return
    for inner in typing.get_args(hint):
        if isinstance(inner, type) and dataclasses.is_dataclass(inner):
            yield inner
        yield from _parts_of(inner)


def has_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def defaults_of(kind: type) -> dict[str, Any]:
    """Give the value of each field that may be missing."""
    return {
        field.name: field.default if field.default is not dataclasses.MISSING else field.default_factory()
        for field in dataclasses.fields(kind)
        if has_default(field)
    }


# -- examples ------------------------------------------------------------------------------------------------------------


def example(hint: Any, *, full: bool, unknown: bool = False) -> Any:
    """Make the JSON form of a value: with every field or only those that must be there, and with unknown fields or none."""
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        fields = [field.name for field in dataclasses.fields(hint) if full or not has_default(field)]
        plain = {name: example(hints[name], full=full, unknown=unknown) for name in fields}
        return plain | ({UNKNOWN: {"a": ["value"]}, "another_one": 7} if unknown else {})
    arguments, origin = typing.get_args(hint), typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        inner = next(choice for choice in arguments if choice is not type(None))
        return example(inner, full=full, unknown=unknown)
    if origin is tuple:
        return [example(arguments[0], full=full, unknown=unknown)]
    if origin is not None and issubclass(origin, Mapping):
        return {"key": example(arguments[1], full=full, unknown=unknown)}
    return _scalar(hint)


def _scalar(hint: Any) -> Any:
    kind = getattr(hint, "__supertype__", hint)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return list(kind)[-1].value
    return {str: "text", int: 5, float: 2.5, bool: True}.get(kind, "anything")


# -- the record ----------------------------------------------------------------------------------------------------------


def record() -> dict[str, dict[str, str]]:
    """Give every field of every message and stored value with its type."""
    return {name: fields_in_words(kind) for name, kind in with_parts([*messages(), *stored()]).items()}


def fields_in_words(kind: type) -> dict[str, str]:
    """Give the fields of one of them with their types."""
    hints = typing.get_type_hints(kind)
    return {field.name: _in_words(hints[field.name]) for field in dataclasses.fields(kind)}


def _in_words(hint: Any) -> str:
    """Name a type as it is in JSON: an identifier is a text, an enumeration its values."""
    hint = getattr(hint, "__supertype__", hint)
    if typing.get_args(hint):
        inner = ", ".join("..." if part is ... else _in_words(part) for part in typing.get_args(hint))
        return f"{getattr(typing.get_origin(hint), '__name__', 'Union')}[{inner}]".replace("UnionType[", "Union[")
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return "one of " + " ".join(str(member.value) for member in hint)
    return getattr(hint, "__name__", str(hint))


if __name__ == "__main__":
    print(json.dumps(record(), indent=1, sort_keys=True))  # noqa: T201
