"""Frozen dataclasses to and from plain JSON values, for messages and stored parameters.

The type hints are the schema. Unknown keys are ignored (a newer sender), missing ones take their defaults
(an older sender): so a new field needs a default, and a meaning never changes.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")
Build = Callable[[Any], Any]
_PLAIN = frozenset({str, int, float, bool, type(None)})


def to_plain(value: object) -> Any:
    """Give the JSON form of a dataclass, an enum, a tuple, a mapping or a plain value."""
    kind: Any = type(value)
    return value if kind in _PLAIN else _plainer(kind)(value)


@functools.cache
def _plainer(kind: type) -> Callable[[Any], Any]:
    """Choose once for each type what makes values of it plain: a scheduler's answer has hundreds of them."""
    if dataclasses.is_dataclass(kind):
        return functools.partial(_plain_fields, _names(kind))
    if issubclass(kind, enum.Enum):
        return lambda value: value.value
    if issubclass(kind, Mapping):
        return lambda value: {str(key): to_plain(item) for key, item in value.items()}
    if issubclass(kind, list | tuple | set | frozenset):
        return lambda value: [item if type(item) in _PLAIN else to_plain(item) for item in value]
    return lambda value: value


def _plain_fields(names: tuple[str, ...], value: Any) -> dict[str, Any]:
    fields: dict[str, Any] = value.__dict__.copy()
    for name, item in value.__dict__.items():
        if type(item) not in _PLAIN:
            fields[name] = to_plain(item)
    # What is more than the fields was worked out of them later, and kept.
    return fields if len(fields) == len(names) else {name: fields[name] for name in names}


def from_plain(kind: type[T], plain: Any) -> T:
    """Build a `kind` from its JSON form.

    Raises: ValueError when the value does not fit the type hints.
    """
    return typing.cast(T, _builder(typing.cast(Any, kind))(plain))


@functools.cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


@functools.cache
def _field_builders(kind: type) -> dict[str, Build]:
    hints = typing.get_type_hints(kind)
    return {name: _builder(hints[name]) for name in _names(kind)}


@functools.cache
def _builder(kind: Any) -> Build:
    """Choose once for each type hint what builds values of it."""
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return lambda plain: _build_dataclass(kind, plain)
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        (choice, *_) = (choice for choice in typing.get_args(kind) if choice is not type(None))
        build = _builder(choice)
        return lambda plain: None if plain is None else build(plain)
    if origin is tuple:
        build = _builder(typing.get_args(kind)[0])
        return lambda plain: tuple(map(build, _expect(plain, list | tuple, kind)))
    if origin is not None and issubclass(origin, Mapping):
        build = _builder(typing.get_args(kind)[1])
        return lambda plain: {key: build(item) for key, item in _expect(plain, Mapping, kind).items()}
    return _scalar_builder(getattr(kind, "__supertype__", kind))  # NewType


def _scalar_builder(kind: Any) -> Build:
    if kind is Any or kind is object:
        return lambda plain: plain
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind
    return lambda plain: plain if type(plain) is kind else _build_scalar(kind, plain)


def _build_scalar(kind: Any, plain: Any) -> Any:
    if kind is float and isinstance(plain, int) and not isinstance(plain, bool):
        return float(plain)
    _expect(plain, kind, kind)
    if kind is int and isinstance(plain, bool):
        raise ValueError("a boolean where a number is wanted")
    return plain


def _build_dataclass(kind: Any, plain: Any) -> Any:
    _expect(plain, Mapping, kind)
    build = _field_builders(kind)
    try:
        return kind(**{name: build[name](item) for name, item in plain.items() if name in build})
    except TypeError as error:
        raise ValueError(f"{kind.__name__}: {error}") from error


def _expect(plain: Any, wanted: Any, kind: Any) -> Any:
    if not isinstance(plain, wanted):
        raise ValueError(f"{type(plain).__name__} where {getattr(kind, '__name__', kind)} is wanted")
    return plain
