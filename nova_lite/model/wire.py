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
from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")
_PLAIN = frozenset({str, int, float, bool})


def to_plain(value: object) -> Any:
    """Give the JSON form of a dataclass, an enum, a tuple, a mapping or a plain value."""
    if value is None or type(value) in _PLAIN:
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: to_plain(getattr(value, name)) for name in _names(type(value))}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_plain(item) for item in value]
    return value


def from_plain(kind: type[T], plain: Any) -> T:
    """Build a `kind` from its JSON form.

    Raises: ValueError when the value does not fit the type hints.
    """
    return typing.cast(T, _build(kind, plain))


@functools.cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _build(kind: Any, plain: Any) -> Any:
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _build_dataclass(kind, plain)
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _build_optional(kind, plain)
    if origin is tuple:
        _expect(plain, list | tuple, kind)
        return tuple(_build(typing.get_args(kind)[0], item) for item in plain)
    if origin is not None and issubclass(origin, Mapping):
        _expect(plain, Mapping, kind)
        value_kind = typing.get_args(kind)[1]
        return {key: _build(value_kind, item) for key, item in plain.items()}
    return _build_scalar(kind, plain)


def _build_scalar(kind: Any, plain: Any) -> Any:
    if kind is Any or kind is object:
        return plain
    kind = getattr(kind, "__supertype__", kind)  # NewType
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind(plain)
    if kind is float and isinstance(plain, int) and not isinstance(plain, bool):
        return float(plain)
    _expect(plain, kind, kind)
    if kind is int and isinstance(plain, bool):
        raise ValueError("a boolean where a number is wanted")
    return plain


def _build_optional(kind: Any, plain: Any) -> Any:
    choices = [choice for choice in typing.get_args(kind) if choice is not type(None)]
    if plain is None:
        return None
    return _build(choices[0], plain)


def _build_dataclass(kind: Any, plain: Any) -> Any:
    _expect(plain, Mapping, kind)
    hints = _hints(kind)
    known = _names(kind)
    try:
        return kind(**{name: _build(hints[name], item) for name, item in plain.items() if name in known})
    except TypeError as error:
        raise ValueError(f"{kind.__name__}: {error}") from error


def _expect(plain: Any, wanted: Any, kind: Any) -> None:
    if not isinstance(plain, wanted):
        raise ValueError(f"{type(plain).__name__} where {getattr(kind, '__name__', kind)} is wanted")
