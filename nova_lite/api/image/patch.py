"""Changes to an image: JSON patch (RFC 6902) in Glance's dialect 2.1, and the older form of its dialect 2.0.

2.1: [{"op": "replace", "path": "/name", "value": "x"}, {"op": "add", ...}, {"op": "remove", "path": "/os_distro"}]
2.0: [{"replace": "/name", "value": "x"}, {"add": ...}, {"remove": "/os_distro"}]
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

from nova_lite import errors
from nova_lite.api.image.fields import SETTABLE, require_settable, to_columns, to_wire
from nova_lite.api.image.schemas import images as schemas
from nova_lite.api.validate import Schema
from nova_lite.image.protections import CREATE, DELETE, OPEN, UPDATE, Guard
from nova_lite.model.image import Image

NEW = "application/openstack-images-v2.1-json-patch"
OLD = "application/openstack-images-v2.0-json-patch"
MEDIA = (NEW, OLD)
OPERATIONS = ("add", "remove", "replace")
_VALUE = Schema(schemas.CREATE, what="attribute")
_BAD_ESCAPE = re.compile(r"~(?![01])")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """One operation on one field. `strict`: an addition must not replace (dialect 2.0)."""

    op: str
    name: str
    value: Any = None
    strict: bool = False


def read_changes(media: str, body: Sequence[dict[str, Any]]) -> tuple[Change, ...]:
    """Read the operations. Raises: BadRequest for what is no operation; Forbidden for a field that is not to be set."""
    changes = tuple(_new_change(raw) if media == NEW else _old_change(raw) for raw in body)
    for change in changes:
        require_settable((change.name,))
        if change.name == "id":
            raise errors.Forbidden("Attribute 'id' is read-only.")
        if change.op != "remove":
            _VALUE.check({change.name: change.value})
    return changes


def apply(image: Image, changes: Sequence[Change], guard: Guard = OPEN) -> Image:
    """Give the image as it is after all changes; what the caller may not see of it stays as it is.

    Raises: Conflict, Forbidden where a field's presence forbids a change; Forbidden for a protected property.
    """
    seen = guard.visible(image)
    fields = to_wire(seen)
    for change in changes:
        if change.op == "remove":
            _remove(fields, change, guard)
            continue
        if change.op == "replace" and change.name not in fields:
            raise errors.Conflict(f"Property {change.name} does not exist.")
        if change.strict and change.op == "add" and change.name in fields:
            raise errors.Conflict(f"Property {change.name} already present.")
        if change.name not in SETTABLE:
            guard.check(UPDATE if change.name in fields else CREATE, change.name)
        fields[change.name] = change.value
    columns = to_columns(fields)
    hidden = {name: value for name, value in image.properties.items() if name not in seen.properties}
    return dataclasses.replace(image, **columns | {"properties": hidden | columns["properties"]})


def _remove(fields: dict[str, Any], change: Change, guard: Guard) -> None:
    if change.name in SETTABLE:
        raise errors.Forbidden(f"Property {change.name} may not be removed.")
    if change.name not in fields:
        raise errors.Conflict(f"Property {change.name} does not exist.")
    guard.check(DELETE, change.name)
    del fields[change.name]


def _new_change(raw: dict[str, Any]) -> Change:
    if raw.get("op") not in OPERATIONS:
        raise errors.BadRequest(f"Each operation needs a member op, which is one of {', '.join(OPERATIONS)}.")
    return Change(op=raw["op"], name=_name(raw.get("path")), value=_value(raw, raw["op"]))


def _old_change(raw: dict[str, Any]) -> Change:
    named = [op for op in OPERATIONS if op in raw]
    if len(named) != 1:
        raise errors.BadRequest('Operation objects must contain exactly one member named "add", "remove", or "replace".')
    return Change(op=named[0], name=_name(raw[named[0]]), value=_value(raw, named[0]), strict=True)


def _value(raw: dict[str, Any], op: str) -> Any:
    if op != "remove" and "value" not in raw:
        raise errors.BadRequest(f'Operation "{op}" requires a member named "value".')
    return raw.get("value")


def _name(pointer: Any) -> str:
    """Read a JSON pointer to a field of the image; nothing inside a field can be pointed to."""
    if not isinstance(pointer, str) or not pointer.startswith("/") or _BAD_ESCAPE.search(pointer):
        raise errors.BadRequest("Each operation needs a JSON pointer that starts with /.")
    name = pointer[1:]
    if name.startswith("locations"):
        require_settable(("locations",))
    if "/" in name or not name.strip():
        raise errors.BadRequest("Invalid JSON pointer for this resource.")
    return name.replace("~1", "/").replace("~0", "~")
