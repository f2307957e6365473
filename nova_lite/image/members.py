"""With whom an image is shared: the owner names projects, each of them accepts or rejects."""

from __future__ import annotations

import dataclasses
from typing import Any

from nova_lite import errors
from nova_lite.db import images as db
from nova_lite.db.engine import Tx
from nova_lite.image import notices
from nova_lite.image.access import Viewer, is_own
from nova_lite.model.image import Image, Visibility

STATUSES = ("pending", "accepted", "rejected")
MOST_MEMBERS = 128


@dataclasses.dataclass(frozen=True, kw_only=True)
class Member:
    """A project that an image is shared with."""

    image_id: str
    member: str
    status: str
    created_at: float
    updated_at: float


def list_members(tx: Tx, image: Image, viewer: Viewer) -> list[Member]:
    """Give all members to who owns the image, and only itself to a member. Raises: NotFound to others; Forbidden."""
    _require_shared(image)
    found = [Member(**row) for row in db.list_members(tx, image.id)]
    if viewer.sees_all or is_own(image, viewer):
        return found
    return [one for one in found if one.member == viewer.project_id]


def get(tx: Tx, image: Image, member: str, viewer: Viewer) -> Member:
    """Give a member, to the owner and to itself. Raises: NotFound; Forbidden."""
    _require_shared(image)
    if not (viewer.sees_all or is_own(image, viewer) or viewer.project_id == member):
        raise _no_member(image, member)
    return _get(tx, image, member)


def add(tx: Tx, image: Image, member: str) -> Member:
    """Share an image with a project. Raises: Conflict when it is already; Forbidden; TooLarge."""
    _require_shared(image)
    present = db.list_members(tx, image.id)
    if any(row["member"] == member for row in present):
        raise errors.Conflict(f"Image {image.id} is already shared with project {member}.")
    if len(present) >= MOST_MEMBERS:
        raise errors.TooLarge(
            f"The limit has been exceeded on the number of allowed image members for this image. "
            f"Attempted: {len(present) + 1}, Maximum: {MOST_MEMBERS}"
        )
    now = tx.database.clock.wall()
    values: dict[str, Any] = {"member": member, "status": "pending", "created_at": now, "updated_at": now}
    db.insert_member(tx, {"image_id": image.id, **values})
    notices.write(tx, "image.member.create", notices.of_member({"image_id": image.id, **values}))
    return Member(image_id=image.id, **values)


def set_status(tx: Tx, image: Image, member: str, status: str) -> Member:
    """Write what a member decided. Raises: NotFound; Forbidden."""
    _require_shared(image)
    found = _get(tx, image, member)
    changed = dataclasses.replace(found, status=status, updated_at=tx.database.clock.wall())
    if not db.update_member(tx, image.id, member, {"status": changed.status, "updated_at": changed.updated_at}):
        raise _no_member(image, member)
    notices.write(tx, "image.member.update", notices.of_member(vars(changed)))
    return changed


def remove(tx: Tx, image: Image, member: str) -> None:
    """Share an image no longer with a project. Raises: NotFound; Forbidden."""
    _require_shared(image)
    found = db.find_member(tx, image.id, member) if tx.database.announces else None
    if not db.delete_member(tx, image.id, member):
        raise _no_member(image, member)
    if found is not None:
        notices.write(tx, "image.member.delete", notices.gone(tx, notices.of_member(found)))


def _get(tx: Tx, image: Image, member: str) -> Member:
    row = db.find_member(tx, image.id, member)
    if row is None:
        raise _no_member(image, member)
    return Member(**row)


def _require_shared(image: Image) -> None:
    if image.visibility is not Visibility.SHARED:
        raise errors.Forbidden("Only shared images have members.")


def _no_member(image: Image, member: str) -> errors.NotFound:
    return errors.NotFound(f"{member[:64]} is no member of image {image.id}.")
