"""Bytes that wait for their import: rows and rules of the way from `queued` by `uploading` and `importing` to `active`.

    queued --records.begin_upload--> uploading --finish--> uploading, with contents --begin_import--+
       |                                                                                             v
       +-----------------------------begin_import (the bytes come from elsewhere)---------------> importing
                                                                                                     |
    queued, or uploading <--give_up_import--        active <--adopt--  importing, with contents <--finish

Staged bytes are finished bytes of the store already, hashed and inspected: an import adopts them, nothing is copied.
"""

from __future__ import annotations

import dataclasses

from nova_lite.db import images as db
from nova_lite.db.engine import Tx
from nova_lite.image.records import Contents
from nova_lite.model.image import Image, ImageStatus

# Names the stores where the last import failed, as in Glance; empty where it did not, so that clients see that it has ended.
FAILED = "os_glance_failed_import"


def contents_of(tx: Tx, image_id: str, *, lock: bool = False) -> Contents | None:
    """Give the contents that wait for their import; None where there are none, or no image."""
    row = db.find_image(tx, image_id, lock=lock)
    return None if row is None or not row["staged"] else Contents(**row["staged"])


def finish(tx: Tx, image_id: str, upload_id: str, contents: Contents) -> bool:
    """Keep what an upload or a fetch brought; False when the image does not belong to it any more."""
    values = {"staged": vars(contents), "upload_id": None, "updated_at": tx.database.clock.wall()}
    return any(
        db.update_image(tx, image_id, values, status=status, upload_id=upload_id)
        for status in (ImageStatus.UPLOADING, ImageStatus.IMPORTING)
    )


def begin_import(tx: Tx, image_id: str, *, staged: bool) -> bool:
    """Have an image imported: staged bytes, or those of elsewhere. False when it is in no state for that."""
    row = db.find_image(tx, image_id, lock=True)
    if row is None or bool(row["staged"]) != staged:
        return False
    properties = {**row["properties"], FAILED: ""}
    values = {"status": ImageStatus.IMPORTING, "properties": properties, "updated_at": tx.database.clock.wall()}
    before = ImageStatus.UPLOADING if staged else ImageStatus.QUEUED
    return db.update_image(tx, image_id, values, status=before)


def begin_fetch(tx: Tx, image_id: str, upload_id: str, before: str | None) -> bool:
    """Give an importing image to a fetch, from the one before; False when that is not its owner any more."""
    if contents_of(tx, image_id, lock=True) is not None:
        return False
    values = {"upload_id": upload_id, "updated_at": tx.database.clock.wall()}
    return db.update_image(tx, image_id, values, status=ImageStatus.IMPORTING, upload_id=before)


def end_fetch(tx: Tx, image_id: str, upload_id: str) -> bool:
    """Take an importing image from a fetch that came to nothing."""
    return db.update_image(tx, image_id, {"upload_id": None}, status=ImageStatus.IMPORTING, upload_id=upload_id)


def drop(tx: Tx, image_id: str) -> Contents | None:
    """Take an importing image from whoever fetches, and its contents from it; give these, to be removed. May be repeated."""
    contents = contents_of(tx, image_id, lock=True)
    db.update_image(tx, image_id, {"staged": None, "upload_id": None}, status=ImageStatus.IMPORTING)
    return contents


def adopt(tx: Tx, image_id: str, location: str | None = None) -> bool:
    """Make the contents of an importing image its own, in another place if one is given; False when it is gone or has none."""
    contents = contents_of(tx, image_id, lock=True)
    if contents is None:
        return False
    contents = dataclasses.replace(contents, location=location or contents.location)
    values = {"status": ImageStatus.ACTIVE, "staged": None, "upload_id": None, "updated_at": tx.database.clock.wall()}
    return db.update_image(tx, image_id, vars(contents) | values, status=ImageStatus.IMPORTING)


def give_up_import(tx: Tx, image_id: str, store: str) -> bool:
    """Put an image back whose import came to nothing: to its staged bytes, or queued; tell whether it was there."""
    row = db.find_image(tx, image_id, lock=True)
    if row is None:
        return False
    status = ImageStatus.UPLOADING if row["staged"] else ImageStatus.QUEUED
    values = {"status": status, "upload_id": None, "updated_at": tx.database.clock.wall()}
    properties = {**row["properties"], FAILED: store}
    return db.update_image(tx, image_id, {**values, "properties": properties}, status=ImageStatus.IMPORTING)


def note_failed(tx: Tx, image_id: str, stores: str) -> None:
    """Name the stores where the last import failed; "" while there is none."""
    row = db.find_image(tx, image_id, lock=True)
    if row is not None and row["properties"].get(FAILED) != stores:
        db.update_image(tx, image_id, {"properties": {**row["properties"], FAILED: stores}})


def move(tx: Tx, image: Image, location: str) -> bool:
    """Have an active image's own bytes be those in another place; False when it is not as it was read."""
    values = {"location": location, "updated_at": tx.database.clock.wall()}
    return db.update_image(tx, image.id, values, status=ImageStatus.ACTIVE, location=image.location)
