"""The fields of an image on the wire: which are ours to know, which a user may set, and what they are called inside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nova_lite import errors
from nova_lite.model.image import Image, Visibility

# wire name -> name in `Image`, of what users set
SETTABLE: Mapping[str, str] = {
    "name": "name",
    "visibility": "visibility",
    "protected": "protected",
    "min_disk": "min_disk_gib",
    "min_ram": "min_ram_mib",
    "os_hidden": "hidden",
    "disk_format": "disk_format",
    "container_format": "container_format",
    "owner": "owner",
    "tags": "tags",
}
READ_ONLY = frozenset(
    {
        "checksum",
        "created_at",
        "direct_url",
        "file",
        "os_hash_algo",
        "os_hash_value",
        "schema",
        "self",
        "size",
        "status",
        "stores",
        "updated_at",
        "virtual_size",
    }
)
RESERVED = frozenset({"deleted", "deleted_at", "location", "locations"})
OURS_PREFIX = "os_glance_"


def require_settable(names: Iterable[str]) -> None:
    """See that a user may set these fields. Raises: Forbidden."""
    for name in names:
        if name in READ_ONLY:
            raise errors.Forbidden(f"Attribute '{name}' is read-only.")
        if name in RESERVED or name.startswith(OURS_PREFIX):
            raise errors.Forbidden(f"Attribute '{name[:64]}' is reserved.")


def require_free(names: Iterable[str]) -> None:
    """See that properties are none of an image's own fields. Raises: Forbidden."""
    require_settable(names)
    taken = [name for name in names if name in SETTABLE or name == "id"]
    if taken:
        raise errors.Forbidden(f"Attribute '{taken[0]}' is no metadata.")


def to_columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give an image's fields for wire values that passed their schema; what is unknown is a property of the user's."""
    columns = {SETTABLE[name]: value for name, value in values.items() if name in SETTABLE}
    if "visibility" in columns:
        columns["visibility"] = Visibility(columns["visibility"])
    if "tags" in columns:
        columns["tags"] = tuple(sorted(set(columns["tags"])))
    columns["properties"] = {
        name: value for name, value in values.items() if name not in SETTABLE and name != "id" and value is not None
    }
    return columns


def to_wire(image: Image) -> dict[str, Any]:
    """Give what users set in an image, by its wire names."""
    return {name: getattr(image, column) for name, column in SETTABLE.items()} | dict(image.properties)
