"""Metadata definitions as the Image API shows them; what is not set is left out."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

from nova_lite.api.image.views.images import time
from nova_lite.image.metadefs import Contents
from nova_lite.model.metadef import Association, Entry, Namespace, ResourceType

PATH = "/v2/metadefs/namespaces"
SCHEMAS = "/v2/schemas/metadefs"


def address(name: str) -> str:
    """Give where a namespace is."""
    return f"{PATH}/{urllib.parse.quote(name, safe=':')}"


def namespace(shown: Namespace, associations: Sequence[Association] = ()) -> dict[str, Any]:
    """Show a namespace as in lists."""
    view = _set(
        {
            "namespace": shown.namespace,
            "display_name": shown.display_name,
            "description": shown.description,
            "visibility": shown.visibility,
            "protected": shown.protected,
            "owner": shown.owner,
            "self": address(shown.namespace),
            "schema": f"{SCHEMAS}/namespace",
        }
    )
    if associations:
        view["resource_type_associations"] = [association(one) for one in associations]
    return view | _times(shown)


def full_namespace(shown: Namespace, contents: Contents, prefix: str = "") -> dict[str, Any]:
    """Show a namespace with all that it holds; names of properties as they are with the `prefix` of a resource type."""
    view = namespace(shown, contents.associations)
    if contents.objects:
        view["objects"] = [entry_object(shown, one, prefix) for one in contents.objects]
    if contents.properties:
        view["properties"] = {prefix + one.name: dict(one.content) for one in contents.properties}
    if contents.tags:
        view["tags"] = [{"name": one.name} for one in contents.tags]
    return view


def entry_object(owner: Namespace, shown: Entry, prefix: str = "") -> dict[str, Any]:
    """Show an object."""
    view = _set(shown.content) | {
        "name": shown.name,
        "self": f"{address(owner.namespace)}/objects/{urllib.parse.quote(shown.name, safe=':')}",
        "schema": f"{SCHEMAS}/object",
    }
    if prefix and "properties" in view:
        view["properties"] = {prefix + name: definition for name, definition in view["properties"].items()}
    if prefix and "required" in view:
        view["required"] = [prefix + name for name in view["required"]]
    return view | _times(shown)


def entry_property(shown: Entry) -> dict[str, Any]:
    """Show a property: its definition and its name."""
    return {**shown.content, "name": shown.name}


def tag(shown: Entry) -> dict[str, Any]:
    """Show a tag."""
    return {"name": shown.name, **_times(shown)}


def association(shown: Association) -> dict[str, Any]:
    """Show for which type of resource a namespace is meant."""
    view = {"name": shown.name, "prefix": shown.prefix, "properties_target": shown.properties_target}
    return _set(view) | _times(shown)


def resource_type(shown: ResourceType) -> dict[str, Any]:
    """Show a type of resource."""
    return {"name": shown.name, **_times(shown)}


def _set(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _times(shown: Namespace | Entry | Association | ResourceType) -> dict[str, Any]:
    return {"created_at": time(shown.created_at), "updated_at": time(shown.updated_at)}
