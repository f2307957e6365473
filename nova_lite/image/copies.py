"""Copies of an image's bytes in further stores: rows, and the rules of their life.

    ask --> copying --finish--> ready --> (forget, or adopted as the image's own location)
               |  ^---begin---     ^ take_back makes it copying again, without bytes
               +--fail--> failed      settle, give_up: neither copying nor failed ones stay when an import ends

The image's own row names one location; that of another store stands here. A copy that runs owns its row by an upload's id.
The stores where the last import failed are named in the image's property `os_glance_failed_import`, as in Glance.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Collection, Iterable, Mapping, Sequence

from nova_lite.db import image_copies as db
from nova_lite.db.engine import Tx
from nova_lite.image import staging
from nova_lite.image.stores.base import store_name
from nova_lite.model.image import Image


class CopyStatus(enum.StrEnum):
    """How far a copy is."""

    COPYING = "copying"
    READY = "ready"
    FAILED = "failed"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Copy:
    """A copy. `location` is set when it is ready; `upload_id` while somebody writes it."""

    image_id: str
    store: str
    status: CopyStatus
    location: str | None = None
    upload_id: str | None = None


def of_images(tx: Tx, image_ids: Collection[str]) -> dict[str, tuple[Copy, ...]]:
    """Give the copies of some images; what has none is left out. One statement."""
    found: dict[str, list[Copy]] = {}
    for row in db.list_copies(tx, image_ids):
        found.setdefault(row["image_id"], []).append(Copy(**{**row, "status": CopyStatus(row["status"])}))
    return {image_id: tuple(copies) for image_id, copies in found.items()}


def of_image(tx: Tx, image_id: str) -> tuple[Copy, ...]:
    """Give the copies of one image."""
    return of_images(tx, (image_id,)).get(image_id, ())


def named(copies: Iterable[Copy], status: CopyStatus) -> list[str]:
    """Name the stores of the copies in one status."""
    return [copy.store for copy in copies if copy.status is status]


def holders(image: Image, copies: Iterable[Copy]) -> dict[str, str]:
    """Give where an image's bytes are, by store: its own location first."""
    found = {} if image.location is None else {store_name(image.location): image.location}
    return found | {copy.store: copy.location for copy in copies if copy.location is not None}


def ask(tx: Tx, image_id: str, stores: Sequence[str]) -> None:
    """Have copies made, in stores that have none."""
    rows = [{"image_id": image_id, "store": store, "status": CopyStatus.COPYING.value} for store in stores]
    db.delete_copies(tx, image_id, {*stores, *named(of_image(tx, image_id), CopyStatus.FAILED)})
    db.insert_copies(tx, rows)


def begin(tx: Tx, copy: Copy, upload_id: str) -> bool:
    """Give a copy to who writes it, from the one before; False when it is not that one's any more."""
    return _update(tx, copy, {"upload_id": upload_id})


def finish(tx: Tx, copy: Copy, upload_id: str, location: str) -> bool:
    """Make a copy ready; False when it is not this writer's any more."""
    values = {"status": CopyStatus.READY.value, "location": location, "upload_id": None}
    return _update(tx, dataclasses.replace(copy, upload_id=upload_id), values)


def let_go(tx: Tx, copy: Copy, upload_id: str | None, *, failed: bool) -> bool:
    """Take a copy from a writer that came to nothing: for another try, or as failed."""
    values = {"upload_id": None, "status": (CopyStatus.FAILED if failed else CopyStatus.COPYING).value}
    return _update(tx, dataclasses.replace(copy, upload_id=upload_id), values)


def take_back(tx: Tx, image_id: str, stores: Collection[str]) -> list[str]:
    """Have nothing of these copies: whoever writes one may not finish it. Give where the bytes were. May be repeated."""
    copies = [copy for copy in of_image(tx, image_id) if copy.store in stores and copy.status is not CopyStatus.FAILED]
    for copy in copies:
        values = {"status": CopyStatus.COPYING.value, "location": None, "upload_id": None}
        db.update_copy(tx, image_id, copy.store, values)
    return [copy.location for copy in copies if copy.location is not None]


def settle(tx: Tx, image_id: str, stores: Sequence[str]) -> None:
    """End an import into these stores that succeeded; those where it failed are named in the image."""
    copies = [copy for copy in of_image(tx, image_id) if copy.store in stores]
    failed = named(copies, CopyStatus.FAILED)
    db.delete_copies(tx, image_id, [copy.store for copy in copies if copy.status is not CopyStatus.READY])
    if failed:
        staging.note_failed(tx, image_id, ",".join(failed))


def give_up(tx: Tx, image_id: str, stores: Sequence[str]) -> str:
    """End an import into these stores that failed; name, with commas, those where it did: all where none is to blame."""
    failed = [store for store in named(of_image(tx, image_id), CopyStatus.FAILED) if store in stores]
    db.delete_copies(tx, image_id, stores)
    return ",".join(failed or stores)


def adopt(tx: Tx, image_id: str, stores: Sequence[str], inject: Mapping[str, str] | None = None) -> tuple[bool, str | None]:
    """Make what was imported the image's own, in the first of these stores that has it; `inject`: properties that it gets.

    Where they waited is preferred, so that nothing moves. Tell whether the image was there, and give the location that is now
    to be freed: where they waited, if that is in none of these stores.
    """
    contents = staging.contents_of(tx, image_id, lock=True)
    if contents is None:
        return False, None
    places = {copy.store: copy.location for copy in of_image(tx, image_id) if copy.location is not None}
    waited = store_name(contents.location)
    if waited in stores or not places:
        places[waited] = contents.location
    chosen = waited if waited in places else next(store for store in stores if store in places)
    db.delete_copies(tx, image_id, [chosen])
    adopted = staging.adopt(tx, image_id, places[chosen], inject)
    return adopted, contents.location if contents.location not in places.values() else None


def remove(tx: Tx, image: Image, store: str) -> str | None:
    """Forget the copy in a store, or the image's own location for another copy; give what is to be freed.

    None when the store has none, or it is the only one.
    """
    places = holders(image, of_image(tx, image.id))
    if store not in places or len(places) == 1:
        return None
    location = places.pop(store)
    if location == image.location:
        heir = next(iter(places))
        if not staging.move(tx, image, places[heir]):
            return None
        store = heir
    db.delete_copies(tx, image.id, [store])
    return location


def locations(tx: Tx) -> set[str]:
    """Give where all copies are."""
    return db.locations(tx)


def _update(tx: Tx, copy: Copy, values: Mapping[str, str | None]) -> bool:
    return db.update_copy(tx, copy.image_id, copy.store, values, status=CopyStatus.COPYING.value, upload_id=copy.upload_id)
