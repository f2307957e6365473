"""Bytes that wait for their import: rows and rules of the way from `queued` by `uploading` and `importing` to `active`.

    queued --records.begin_upload--> uploading --finish--> uploading, with contents --begin_import--+
       |                                                                                             v
       +-----------------------------begin_import (the bytes come from elsewhere)---------------> importing
                                                                                                     |
    queued, or uploading <--give_up_import--        active <--adopt--  importing, with contents <--finish

Staged bytes are finished bytes of the store already, hashed and inspected: an import adopts them, nothing is copied. Where
imports convert, what was made of them lies beside them until it is adopted in their place.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from nova_lite.db import images as db
from nova_lite.db.engine import Tx
from nova_lite.image import records
from nova_lite.image.records import Contents
from nova_lite.model.image import Image, ImageStatus

# Names the stores where the last import failed, as in Glance; empty where it did not, so that clients see that it has ended.
FAILED = "os_glance_failed_import"
CONVERTED = "converted"  # among the staged contents: those that were made of them
CONVERTED_CONTAINER = "bare"
REMOTE = "remote"  # among them: what another region's service says of the image


@dataclasses.dataclass(frozen=True, kw_only=True)
class Converted:
    """Contents that were made of the staged ones, and the format that they are in."""

    contents: Contents
    disk_format: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Remote:
    """What an image becomes that was taken from another region: formats, and properties added to its own."""

    disk_format: str
    container_format: str
    properties: Mapping[str, str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Waiting:
    """What waits for an image's import: contents as they came, what was made of them, what another region says of them."""

    original: Contents | None = None
    converted: Converted | None = None
    remote: Remote | None = None

    @property
    def contents(self) -> Contents | None:
        """What the image is to get."""
        return self.converted.contents if self.original is not None and self.converted is not None else self.original


def waiting_of(tx: Tx, image_id: str, *, lock: bool = False) -> Waiting:
    """Read what waits; nothing does where there is no such image."""
    return _read(_staged(tx, image_id, lock=lock))


def _read(staged: Mapping[str, Any]) -> Waiting:
    rest = dict(staged)
    converted, remote = rest.pop(CONVERTED, None), rest.pop(REMOTE, None)
    return Waiting(
        original=Contents(**rest) if rest else None,
        converted=converted and Converted(contents=Contents(**converted["contents"]), disk_format=converted["disk_format"]),
        remote=remote and Remote(**remote),
    )


def contents_of(tx: Tx, image_id: str, *, lock: bool = False) -> Contents | None:
    """Give the contents that wait for their import, converted if they were; None where there are none, or no image."""
    return waiting_of(tx, image_id, lock=lock).contents


def locations_of(tx: Tx, image_id: str) -> list[str]:
    """Give where all is that waits for an image's import."""
    return db.staged_locations(_staged(tx, image_id))


def _staged(tx: Tx, image_id: str, *, lock: bool = False) -> dict[str, Any]:
    row = db.find_image(tx, image_id, lock=lock)
    return dict(row["staged"] or {}) if row is not None else {}


def finish(tx: Tx, image_id: str, upload_id: str, contents: Contents) -> bool:
    """Keep what an upload or a fetch brought; False when the image does not belong to it any more."""
    values = {"staged": vars(contents), "upload_id": None, "updated_at": tx.database.clock.wall()}
    return any(
        db.update_image(tx, image_id, values, status=status, upload_id=upload_id)
        for status in (ImageStatus.UPLOADING, ImageStatus.IMPORTING)
    )


def finish_remote(tx: Tx, image_id: str, upload_id: str, contents: Contents, remote: Remote) -> bool:
    """Keep what was fetched from another region; False when the image does not belong to the fetch any more."""
    said = {**vars(remote), "properties": dict(remote.properties)}
    values = {"staged": {**vars(contents), REMOTE: said}, "upload_id": None, "updated_at": tx.database.clock.wall()}
    return db.update_image(tx, image_id, values, status=ImageStatus.IMPORTING, upload_id=upload_id)


def begin_import(tx: Tx, image_id: str, *, staged: bool) -> bool:
    """Have an image imported: staged bytes, or those of elsewhere. False when it is in no state for that."""
    row = db.find_image(tx, image_id, lock=True)
    if row is None or bool(row["staged"]) != staged:
        return False
    properties = {**row["properties"], FAILED: ""}
    values = {"status": ImageStatus.IMPORTING, "properties": properties, "updated_at": tx.database.clock.wall()}
    before = ImageStatus.UPLOADING if staged else ImageStatus.QUEUED
    begun = db.update_image(tx, image_id, values, status=before)
    if begun:
        records.announce(tx, image_id, "update", "prepare")
    return begun


def begin_fetch(tx: Tx, image_id: str, upload_id: str, before: str | None) -> bool:
    """Give an importing image to a fetch, from the one before; False when that is not its owner any more."""
    if contents_of(tx, image_id, lock=True) is not None:
        return False
    values = {"upload_id": upload_id, "updated_at": tx.database.clock.wall()}
    return db.update_image(tx, image_id, values, status=ImageStatus.IMPORTING, upload_id=before)


def end_fetch(tx: Tx, image_id: str, upload_id: str) -> bool:
    """Take an importing image from a fetch that came to nothing."""
    return db.update_image(tx, image_id, {"upload_id": None}, status=ImageStatus.IMPORTING, upload_id=upload_id)


def is_importing(tx: Tx, image_id: str) -> bool:
    """Whether an image is there and is being imported."""
    row = db.find_image(tx, image_id)
    return row is not None and row["status"] == ImageStatus.IMPORTING


def begin_conversion(tx: Tx, image_id: str, upload_id: str, before: str | None) -> bool:
    """Give an importing image with contents to a conversion, from the one before; False when that is not its owner any more."""
    staged = _staged(tx, image_id, lock=True)
    if not staged or CONVERTED in staged:
        return False
    values = {"upload_id": upload_id, "updated_at": tx.database.clock.wall()}
    return db.update_image(tx, image_id, values, status=ImageStatus.IMPORTING, upload_id=before)


def finish_conversion(tx: Tx, image_id: str, upload_id: str, made: Converted) -> bool:
    """Keep what a conversion made; False when the image does not belong to it any more."""
    staged = _staged(tx, image_id, lock=True)
    staged[CONVERTED] = {"contents": vars(made.contents), "disk_format": made.disk_format}
    values = {"staged": staged, "upload_id": None, "updated_at": tx.database.clock.wall()}
    return db.update_image(tx, image_id, values, status=ImageStatus.IMPORTING, upload_id=upload_id)


def drop_converted(tx: Tx, image_id: str) -> Converted | None:
    """Take an importing image from whoever converts, and what was made from it; give that, to be removed. May be repeated."""
    staged = _staged(tx, image_id, lock=True)
    made = _read(staged).converted
    staged.pop(CONVERTED, None)
    values = {"staged": staged or None, "upload_id": None}
    db.update_image(tx, image_id, values, status=ImageStatus.IMPORTING)
    return made


def drop(tx: Tx, image_id: str) -> Contents | None:
    """Take an importing image from whoever fetches, and its contents from it; give these, to be removed. May be repeated."""
    contents = waiting_of(tx, image_id, lock=True).original
    db.update_image(tx, image_id, {"staged": None, "upload_id": None}, status=ImageStatus.IMPORTING)
    return contents


def superseded(tx: Tx, image_id: str) -> str | None:
    """Give where the bytes are that nobody needs once what was made of them is adopted; None where nothing was."""
    found = waiting_of(tx, image_id)
    return found.original.location if found.original is not None and found.converted is not None else None


def adopt(tx: Tx, image_id: str, location: str | None = None, inject: Mapping[str, str] | None = None) -> bool:
    """Make the contents of an importing image its own, in another place if one is given; False when it is gone or has none.

    inject: properties that it gets, over all that it had
    """
    row = db.find_image(tx, image_id, lock=True)
    if row is None:
        return False
    found = _read(row["staged"] or {})
    if found.contents is None:
        return False
    contents = dataclasses.replace(found.contents, location=location or found.contents.location)
    values = vars(contents) | {"status": ImageStatus.ACTIVE, "staged": None, "upload_id": None}
    if found.remote is not None:
        values |= {**vars(found.remote), "properties": row["properties"] | found.remote.properties}
    if inject:
        values["properties"] = {**values.get("properties", row["properties"]), **inject}
    if found.converted is not None:
        values |= {"disk_format": found.converted.disk_format, "container_format": CONVERTED_CONTAINER}
    values["updated_at"] = tx.database.clock.wall()
    adopted = db.update_image(tx, image_id, values, status=ImageStatus.IMPORTING)
    if adopted:
        records.announce(tx, image_id, "upload", "activate", "update")
    return adopted


def give_up_import(tx: Tx, image_id: str, store: str) -> bool:
    """Put an image back whose import came to nothing: to its staged bytes, or queued; tell whether it was there."""
    row = db.find_image(tx, image_id, lock=True)
    if row is None:
        return False
    status = ImageStatus.UPLOADING if row["staged"] else ImageStatus.QUEUED
    values = {"status": status, "upload_id": None, "updated_at": tx.database.clock.wall()}
    properties = {**row["properties"], FAILED: store}
    given_up = db.update_image(tx, image_id, {**values, "properties": properties}, status=ImageStatus.IMPORTING)
    if given_up:
        records.announce_failure(tx, image_id)
    return given_up


def note_failed(tx: Tx, image_id: str, stores: str) -> None:
    """Name the stores where the last import failed; "" while there is none."""
    row = db.find_image(tx, image_id, lock=True)
    if row is not None and row["properties"].get(FAILED) != stores:
        db.update_image(tx, image_id, {"properties": {**row["properties"], FAILED: stores}})


def move(tx: Tx, image: Image, location: str) -> bool:
    """Have an active image's own bytes be those in another place; False when it is not as it was read."""
    values = {"location": location, "updated_at": tx.database.clock.wall()}
    return db.update_image(tx, image.id, values, status=ImageStatus.ACTIVE, location=image.location)
