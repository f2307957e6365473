"""Metadata definitions: what properties things may have, described for people and for their clients."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from typing import Any


class EntryKind(enum.StrEnum):
    """What stands in a namespace under a name of its own."""

    OBJECT = "object"
    PROPERTY = "property"
    TAG = "tag"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Namespace:
    """A collection of definitions. The name is unique in the cloud; a protected one is neither removed nor emptied.

    visibility: `public` (seen by all) or `private` (seen by the owning project)
    """

    id: str
    namespace: str
    display_name: str | None = None
    description: str | None = None
    visibility: str = "private"
    protected: bool = False
    owner: str | None = None
    created_at: float = 0.0
    updated_at: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """An object, property or tag of a namespace.

    content: of an object its `description`, `required` and `properties`; of a property its definition; of a tag nothing
    """

    name: str
    content: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    created_at: float = 0.0
    updated_at: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Association:
    """For which type of resource a namespace is meant. There the names of its properties begin with `prefix`."""

    name: str
    prefix: str | None = None
    properties_target: str | None = None
    created_at: float = 0.0
    updated_at: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class ResourceType:
    """A type of resource that some namespace was associated with."""

    name: str
    created_at: float
    updated_at: float
