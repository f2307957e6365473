"""Images and members as the Image API shows them."""

from __future__ import annotations

import datetime
from typing import Any

from nova_lite.image.members import Member
from nova_lite.image.stores.base import store_name
from nova_lite.model.image import Image, ImageStatus

HASH = "sha512"


def image(shown: Image, store: str) -> dict[str, Any]:
    """Show an image; the user's own properties stand beside the others. `store` is the default one."""
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
    if shown.location is not None:
        view["stores"] = store_name(shown.location)
    if shown.status is ImageStatus.IMPORTING:
        view |= {"os_glance_importing_to_stores": store, "os_glance_failed_import": ""}
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
