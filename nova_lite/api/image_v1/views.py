"""Images and members as v1 shows them."""

from __future__ import annotations

import datetime
from typing import Any

from nova_lite.image.members import Member
from nova_lite.model.image import Image, Visibility


def brief(shown: Image) -> dict[str, Any]:
    """Show an image in the short list."""
    return {
        "id": shown.id,
        "name": shown.name,
        "disk_format": shown.disk_format,
        "container_format": shown.container_format,
        "checksum": shown.md5,
        "size": shown.size_bytes or 0,
    }


def image(shown: Image) -> dict[str, Any]:
    """Show an image in full."""
    return {
        **brief(shown),
        "status": shown.status.value,
        "owner": shown.owner,
        "min_disk": shown.min_disk_gib,
        "min_ram": shown.min_ram_mib,
        "virtual_size": shown.virtual_size_bytes,
        "is_public": shown.visibility is Visibility.PUBLIC,
        "protected": shown.protected,
        "deleted": False,
        "created_at": _time(shown.created_at),
        "updated_at": _time(shown.updated_at),
        "deleted_at": None,
        "properties": dict(shown.properties),
    }


def member(shown: Member) -> dict[str, Any]:
    """Show a project that an image is shared with. Members share with nobody here, whatever they were told."""
    return {"member_id": shown.member, "can_share": False}


def shared(shown: Image) -> dict[str, Any]:
    """Show an image among those that are shared with a project."""
    return {"image_id": shown.id, "can_share": False}


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(int(seconds), datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.000000")
