"""Metadata definitions as bodies and files speak of them, once they passed their schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nova_lite.image.metadefs import Contents
from nova_lite.model.metadef import Association, Entry, Namespace

_OBJECT = ("description", "required", "properties")


def to_namespace(body: Mapping[str, Any], owner: str | None) -> Namespace:
    """Read a namespace's own attributes; what is left out is as in a new one."""
    return Namespace(
        id="",
        namespace=body["namespace"],
        display_name=body.get("display_name"),
        description=body.get("description"),
        visibility=body.get("visibility", "private"),
        protected=body.get("protected", False),
        owner=body.get("owner") or owner,
    )


def to_contents(body: Mapping[str, Any]) -> Contents:
    """Read what a new namespace holds from the start."""
    return Contents(
        associations=tuple(to_association(one) for one in body.get("resource_type_associations", ())),
        objects=tuple(to_object(one) for one in body.get("objects", ())),
        properties=tuple(to_property({**content, "name": name}) for name, content in body.get("properties", {}).items()),
        tags=tuple(to_tag(one) for one in body.get("tags", ())),
    )


def to_object(body: Mapping[str, Any]) -> Entry:
    """Read an object."""
    return Entry(name=body["name"], content={name: body[name] for name in _OBJECT if name in body})


def to_property(body: Mapping[str, Any]) -> Entry:
    """Read a property. Its name stands beside its definition, not in it."""
    return Entry(name=body["name"], content={name: value for name, value in body.items() if name != "name"})


def to_tag(body: Mapping[str, Any]) -> Entry:
    """Read a tag."""
    return Entry(name=body["name"])


def to_association(body: Mapping[str, Any]) -> Association:
    """Read an association with a type of resource."""
    return Association(name=body["name"], prefix=body.get("prefix"), properties_target=body.get("properties_target"))
