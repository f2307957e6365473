"""Images as they are recorded: rows to and from `Image`, and the rules of their life.

    queued --begin_upload--> saving --finish_upload--> active <--deactivate/reactivate--> deactivated
       ^                        |
       +-----give_up_upload-----+        the way by uploading and importing to active: image/staging.py

An upload owns a saving image by its id: another upload, or one that outlived a delete, changes nothing. Deleting removes
the row, in every state; the bytes follow after the commit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from nova_lite import errors
from nova_lite.db import image_copies, image_parts
from nova_lite.db import images as db
from nova_lite.db.engine import Tx
from nova_lite.db.images import ImageFilter, ImagePage
from nova_lite.image import notices
from nova_lite.image.access import Viewer, sees
from nova_lite.model.image import Image, ImageStatus, Visibility

MOST_PROPERTIES = 128
MOST_TAGS = 128
OURS = "os_glance_"  # properties that tell of imports
_STATUSES = {status.value: status for status in ImageStatus}
_VISIBILITIES = {kind.value: kind for kind in Visibility}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contents:
    """What is known of an image's bytes once they are all there."""

    location: str
    size_bytes: int
    virtual_size_bytes: int | None
    md5: str
    sha512: str


def get(tx: Tx, image_id: str, viewer: Viewer, *, lock: bool = False, tags: bool = True) -> Image:
    """Read an image that the viewer may see; without its tags where nobody shows them. Raises: NotFound."""
    row = db.find_image(tx, image_id, lock=lock)
    if row is None:
        raise no_image(image_id)
    image = of_row(row, db.tags_of(tx, (row["id"],)).get(row["id"], ()) if tags else ())
    if sees(image, viewer, is_member=False):
        return image
    if viewer.project_id and sees(image, viewer, is_member=db.find_member(tx, image_id, viewer.project_id) is not None):
        return image
    raise no_image(image_id)


def get_timed(tx: Tx, image_id: str) -> tuple[Image, float]:
    """Read an image, without its tags, and the journal's time, in one statement. Raises: NotFound."""
    row = db.find_image_timed(tx, image_id)
    if row is None:
        raise no_image(image_id)
    fields = dict(row)
    now = float(fields.pop("now"))
    return of_row(fields, ()), now


def list_page(tx: Tx, wanted: ImageFilter, page: ImagePage) -> list[Image]:
    """Read a page of images. Raises: NotFound when the marker is none."""
    rows = db.list_images(tx, wanted, page)
    tags = db.tags_of(tx, [row["id"] for row in rows])
    return [of_row(row, tags.get(row["id"], ())) for row in rows]


def create(tx: Tx, image: Image) -> None:
    """Add an image. Raises: Conflict when the id is taken; TooLarge for too many properties or tags."""
    _check_counts(image.properties, image.tags)
    if db.find_image(tx, image.id) is not None:
        raise errors.Conflict(f"Image ID {image.id} already exists!")
    values = {name: value for name, value in vars(image).items() if name != "tags"}
    db.insert_image(tx, {**values, "properties": dict(image.properties), "upload_id": None, "staged": None})
    db.add_tags(tx, image.id, image.tags)
    notices.write(tx, "image.create", notices.of_image(image))


def announce(tx: Tx, image_id: str, *events: str, more: Mapping[str, Any] | None = None) -> None:
    """Tell other services what happened to an image, as it stands now; nothing where none listen."""
    row = db.find_image(tx, image_id) if tx.database.announces else None
    if row is not None:
        payload = notices.of_image(of_row(row, db.tags_of(tx, (image_id,)).get(image_id, ()))) | dict(more or {})
        notices.write_all(tx, [(f"image.{event}", payload) for event in events])


def announce_failure(tx: Tx, image_id: str) -> None:
    """Tell them that data did not come, and what the image is since."""
    notices.write(tx, "image.upload", f"The data of image {image_id} were not taken in.", priority=notices.ERROR)
    announce(tx, image_id, "update")


def update(tx: Tx, image: Image, changed: Image) -> Image:
    """Write what differs between two states of an image, read with a lock. Raises: TooLarge, NotFound."""
    _check_counts(changed.properties, changed.tags)
    changed = dataclasses.replace(changed, updated_at=tx.database.clock.wall())
    before = vars(image)
    values = {name: value for name, value in vars(changed).items() if name != "tags" and value != before[name]}
    if "properties" in values:
        values["properties"] = dict(changed.properties)
    if not db.update_image(tx, image.id, values):
        raise no_image(image.id)
    db.remove_tags(tx, image.id, set(image.tags) - set(changed.tags))
    db.add_tags(tx, image.id, set(changed.tags) - set(image.tags))
    notices.write(tx, "image.update", notices.of_image(changed))
    return changed


def delete(tx: Tx, image: Image) -> None:
    """Remove an image. Raises: Forbidden when it is protected; NotFound."""
    if image.protected:
        raise errors.Forbidden(f"Image {image.id} is protected and cannot be deleted.")
    if not db.delete_image(tx, image.id):
        raise no_image(image.id)
    notices.write(tx, "image.delete", notices.gone(tx, notices.of_image(image)))


def require_formats(image: Image) -> None:
    """See that both formats are said. Raises: BadRequest."""
    if not image.disk_format or not image.container_format:
        raise errors.BadRequest("Properties disk_format, container_format must be set prior to saving data.")


def require_uploadable(image: Image) -> None:
    """See that bytes may come. Raises: BadRequest without formats; Conflict where they came or are imported."""
    require_formats(image)
    if image.status not in (ImageStatus.QUEUED, ImageStatus.SAVING, ImageStatus.UPLOADING):
        raise errors.Conflict(f"Image {image.id} is {image.status}: its data can be uploaded only once.")


def upload_of(tx: Tx, image_id: str) -> str | None:
    """Give the id of the upload that brings an image's bytes."""
    row = db.find_image(tx, image_id)
    return row["upload_id"] if row is not None else None


def begin_upload(tx: Tx, image_id: str, upload_id: str, status: ImageStatus = ImageStatus.SAVING) -> bool:
    """Give a queued image to an upload; tell whether it was queued."""
    values = {"status": status, "upload_id": upload_id, "updated_at": tx.database.clock.wall()}
    begun = db.update_image(tx, image_id, values, status=ImageStatus.QUEUED)
    if begun:
        announce(tx, image_id, "update", *(("prepare",) if status is ImageStatus.SAVING else ()))
    return begun


def finish_upload(tx: Tx, image_id: str, upload_id: str, contents: Contents) -> bool:
    """Make an image active; False when it does not belong to the upload any more."""
    values = vars(contents) | {"status": ImageStatus.ACTIVE, "upload_id": None, "updated_at": tx.database.clock.wall()}
    finished = db.update_image(tx, image_id, values, status=ImageStatus.SAVING, upload_id=upload_id)
    if finished:
        announce(tx, image_id, "upload", "activate", "update")
    return finished


def give_up_upload(tx: Tx, image_id: str, upload_id: str) -> bool:
    """Queue an image again whose upload came to nothing; False when it does not belong to the upload any more."""
    values = {"status": ImageStatus.QUEUED, "upload_id": None, "updated_at": tx.database.clock.wall()}
    given_up = any(
        db.update_image(tx, image_id, values, status=status, upload_id=upload_id)
        for status in (ImageStatus.SAVING, ImageStatus.UPLOADING)
    )
    if given_up:
        announce_failure(tx, image_id)
    return given_up


def saving(tx: Tx) -> list[tuple[str, str]]:
    """Give the images that are said to be uploaded, each with its upload. What an import fetches is the import's to mend."""
    return [(row["id"], row["upload_id"]) for row in db.arriving_images(tx) if row["status"] != ImageStatus.IMPORTING]


def locations(tx: Tx) -> set[str]:
    """Give where all images' bytes are, those too that wait for their import."""
    waiting = {place for contents in db.staged(tx) for place in db.staged_locations(contents)}
    return db.locations(tx) | image_copies.locations(tx) | waiting


def kept(tx: Tx) -> set[str]:
    """Give what a store keeps: where all images' bytes are, and the keys of half uploads that may go on."""
    return locations(tx) | {f"{image_id}.{upload_id}" for image_id, upload_id in image_parts.keys(tx)}


def forget_halves(tx: Tx, strays: Iterable[str]) -> None:
    """Forget the half uploads among what was swept from a store, so that they count against no quota any more."""
    for name in strays:
        image_id, _, upload_id = name.rpartition("/")[2].partition(".")
        image_parts.delete(tx, image_id, upload_id)


def set_active(tx: Tx, image: Image, *, active: bool) -> None:
    """Deactivate or reactivate an image; nothing happens when it is so already. Raises: Forbidden in other states."""
    wanted, other = ImageStatus.ACTIVE, ImageStatus.DEACTIVATED
    if not active:
        wanted, other = other, wanted
    if image.status is wanted:
        return
    values = {"status": wanted, "updated_at": tx.database.clock.wall()}
    if image.status is not other or not db.update_image(tx, image.id, values, status=other):
        verb = "reactivate" if active else "deactivate"
        raise errors.Forbidden(f"Not allowed to {verb} an image in status '{image.status}'.")
    announce(tx, image.id, "update")


def add_tag(tx: Tx, image: Image, tag: str) -> None:
    """Add a tag; it may be there. Raises: TooLarge."""
    if tag not in image.tags:
        update(tx, image, dataclasses.replace(image, tags=(*image.tags, tag)))


def remove_tag(tx: Tx, image: Image, tag: str) -> None:
    """Remove a tag. Raises: NotFound."""
    if tag not in image.tags:
        raise errors.NotFound(f"Image {image.id} has no such tag.")
    update(tx, image, dataclasses.replace(image, tags=tuple(other for other in image.tags if other != tag)))


def no_image(image_id: str) -> errors.NotFound:
    """Make the error of an image that is not there, or not for the one who asks."""
    return errors.NotFound(f"No image found with ID {image_id[:64]}")


def of_row(row: db.Row | Mapping[str, Any], tags: Iterable[str]) -> Image:
    """Build an image from its row. The dictionary is filled at once: lists are long, and a frozen dataclass is slow."""
    fields = dict(row)
    del fields["upload_id"], fields["staged"]
    fields["status"] = _STATUSES[fields["status"]]
    fields["visibility"] = _VISIBILITIES[fields["visibility"]]
    fields["tags"] = tuple(tags)
    image = object.__new__(Image)
    image.__dict__.update(fields)
    return image


def _check_counts(properties: Mapping[str, Any], tags: Iterable[str]) -> None:
    own = [name for name in properties if not name.startswith(OURS)]
    for what, count, most in (("properties", len(own), MOST_PROPERTIES), ("tags", len(tuple(tags)), MOST_TAGS)):
        if count > most:
            raise errors.TooLarge(
                f"The limit has been exceeded on the number of allowed image {what}. Attempted: {count}, Maximum: {most}"
            )
