"""Notifications about images, members, tasks and metadata definitions: written into the outbox in the transaction of what
they tell, with the names and payloads of Glance's.

Nothing is written where nobody listens (`announces` of the database). Source: Glance, notifications.
"""

from __future__ import annotations

import datetime
import socket
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from nova_lite.db import outbox
from nova_lite.db.engine import Tx
from nova_lite.model.image import Image, Visibility
from nova_lite.model.metadef import Association, Entry, EntryKind, Namespace

Plain = dict[str, Any]
INFO, ERROR = "INFO", "ERROR"
LIVES: Plain = {"deleted": False, "deleted_at": None}
# What a definition of a property may say; all of it stands in a payload.
OF_PROPERTY = (
    *("type", "title", "description", "default", "minimum", "maximum", "enum", "pattern", "minLength", "maxLength"),
    *("confidential", "items", "uniqueItems", "minItems", "maxItems", "additionalItems"),
)


def write(tx: Tx, event_type: str, payload: Any, *, priority: str = INFO) -> None:
    """Write one."""
    write_all(tx, [(event_type, payload)], priority=priority)


def write_all(tx: Tx, events: Sequence[tuple[str, Any]], *, priority: str = INFO) -> None:
    """Write several, in one statement; nothing where nobody listens."""
    if not events or not tx.database.announces:
        return
    now = tx.database.clock.wall()
    common = {"priority": priority, "publisher_id": f"image.{socket.gethostname()}", "created_at": now}
    outbox.insert(
        tx,
        [
            {**common, "message_id": str(uuid.uuid4()), "event_type": event_type, "payload": payload}
            for event_type, payload in events
        ],
    )


def of_image(image: Image) -> Plain:
    """Give an image's payload: nothing of where its bytes are."""
    return {
        "id": image.id,
        "name": image.name,
        "status": image.status.value,
        "created_at": time(image.created_at),
        "updated_at": time(image.updated_at),
        "min_disk": image.min_disk_gib,
        "min_ram": image.min_ram_mib,
        "protected": image.protected,
        "checksum": image.md5,
        "owner": image.owner,
        "disk_format": image.disk_format,
        "container_format": image.container_format,
        "size": image.size_bytes,
        "virtual_size": image.virtual_size_bytes,
        "is_public": image.visibility is Visibility.PUBLIC,
        "visibility": image.visibility.value,
        "properties": dict(image.properties),
        "tags": list(image.tags),
        **LIVES,
    }


def of_member(values: Mapping[str, Any]) -> Plain:
    """Give the payload of a project that an image is shared with."""
    return {
        "image_id": values["image_id"],
        "member_id": values["member"],
        "status": values["status"],
        "created_at": time(values["created_at"]),
        "updated_at": time(values["updated_at"]),
        **LIVES,
    }


def gone(tx: Tx, payload: Plain) -> Plain:
    """Say that what a payload speaks of is gone by now."""
    return {**payload, "deleted": True, "deleted_at": time(tx.database.clock.wall())}


def of_namespace(namespace: Namespace, old_name: str | None = None) -> Plain:
    """Give a namespace's payload; `old_name` where it was renamed."""
    return {
        "namespace": namespace.namespace,
        "namespace_old": old_name or namespace.namespace,
        "display_name": namespace.display_name,
        "protected": namespace.protected,
        "visibility": namespace.visibility,
        "owner": namespace.owner,
        "description": namespace.description,
        **_times(namespace),
        **LIVES,
    }


def of_entry(namespace: Namespace, kind: EntryKind, entry: Entry, old_name: str | None = None) -> Plain:
    """Give the payload of an object, property or tag."""
    named: Plain = {"namespace": namespace.namespace, "name": entry.name, "name_old": old_name or entry.name}
    if kind is EntryKind.PROPERTY:
        return {**named, **_definition(entry.content), **LIVES}
    if kind is EntryKind.OBJECT:
        properties = entry.content.get("properties") or {}
        named |= {
            "properties": [{"name": name, **_definition(content)} for name, content in properties.items()],
            "required": entry.content.get("required"),
            "description": entry.content.get("description"),
        }
    return {**named, **_times(entry), **LIVES}


def of_association(namespace: Namespace, association: Association) -> Plain:
    """Give the payload of a type of resource that a namespace is meant for."""
    return {
        "namespace": namespace.namespace,
        "name": association.name,
        "name_old": association.name,
        "prefix": association.prefix,
        "properties_target": association.properties_target,
        **_times(association),
        **LIVES,
    }


def time(wall: float | None) -> str | None:
    """Show a time in whole seconds."""
    if wall is None:
        return None
    return datetime.datetime.fromtimestamp(wall, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _definition(content: Mapping[str, Any]) -> Plain:
    return {name: content.get(name) for name in OF_PROPERTY}


def _times(shown: Namespace | Entry | Association) -> Plain:
    return {"created_at": time(shown.created_at), "updated_at": time(shown.updated_at)}
