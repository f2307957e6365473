"""Images and members as the Image API shows them."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from nova_lite.image.copies import Copy, CopyStatus, holders, named
from nova_lite.image.members import Member
from nova_lite.image.staging import FAILED
from nova_lite.model.image import Image

HASH = "sha512"
IMPORTING_TO = "os_glance_importing_to_stores"


def image(shown: Image, copies: Sequence[Copy] = ()) -> dict[str, Any]:
    """Show an image; the user's own properties stand beside the others."""
    address = f"/v2/images/{shown.id}"
    view: dict[str, Any] = {
        **shown.properties,
        "id": shown.id,
        "name": shown.name,
        "status": shown.status.value,
        "visibility": shown.visibility.value,
        "owner": shown.owner,
        "disk_format": shown.disk_format,
        "container_format": shown.container_format,
        "size": shown.size_bytes,
        "virtual_size": shown.virtual_size_bytes,
        "checksum": shown.md5,
        "os_hash_algo": HASH if shown.sha512 else None,
        "os_hash_value": shown.sha512,
        "min_disk": shown.min_disk_gib,
        "min_ram": shown.min_ram_mib,
        "protected": shown.protected,
        "os_hidden": shown.hidden,
        "tags": list(shown.tags),
        "created_at": time(shown.created_at),
        "updated_at": time(shown.updated_at),
        "self": address,
        "file": f"{address}/file",
        "schema": "/v2/schemas/image",
    }
    stores = holders(shown, copies)
    if stores:
        view["stores"] = ",".join(sorted(stores))
    if FAILED in shown.properties:  # it was imported once, or is now
        view[IMPORTING_TO] = ",".join(named(copies, CopyStatus.COPYING))
        view[FAILED] = shown.properties[FAILED] or ",".join(named(copies, CopyStatus.FAILED))
    return view


def member(shown: Member) -> dict[str, Any]:
    """Show a project that an image is shared with."""
    return {
        "member_id": shown.member,
        "image_id": shown.image_id,
        "status": shown.status,
        "created_at": time(shown.created_at),
        "updated_at": time(shown.updated_at),
        "schema": "/v2/schemas/member",
    }


def time(seconds: float) -> str:
    """Show a time in whole seconds."""
    return datetime.datetime.fromtimestamp(int(seconds), datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
