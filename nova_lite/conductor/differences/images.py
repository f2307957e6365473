"""Differences between the records of images and the bytes in their store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nova_lite import errors
from nova_lite.conductor.differences.kind import Difference, Kind
from nova_lite.conductor.differences.operations import BY_ITSELF
from nova_lite.db.engine import Tx
from nova_lite.image import records
from nova_lite.image.stores.base import Kept, Store, key_of

REPAIRS = {"cut_upload": "queue the image again", "nameless_file": "remove it", "lost_file": None}


def kinds(store: Store, *, alone: bool = True) -> tuple[Kind, ...]:
    """Give the kinds for a store that this process reaches.

    Only a process whose machine takes all uploads (`alone`) can tell a dead one from another machine's.
    """

    def cut_uploads(tx: Tx) -> Iterator[Difference]:
        for image_id, upload_id in records.saving(tx):
            if not _is_dead(store, key_of(image_id, upload_id)):
                continue

            def mend(tx: Tx, image_id: str = image_id, upload_id: str = upload_id) -> str | None:
                return "The image is queued again." if records.give_up_upload(tx, image_id, upload_id) else None

            problem = f"Image {image_id} is said to be uploaded, but nobody sends it."
            yield _image("cut_upload", image_id, problem, mend)

    def nameless_files(tx: Tx) -> Iterator[Difference]:
        for name in store.list_strays(Kept(lambda: records.kept(tx))):

            def mend(tx: Tx, name: str = name) -> str | None:
                if not store.remove_stray(name, Kept(lambda: records.kept(tx))):
                    return None
                records.forget_halves(tx, [name])
                return "It was removed."

            yield _image("nameless_file", name, f"The image store holds {name}, which no image names.", mend)

    def lost_files(tx: Tx) -> Iterator[Difference]:
        for location in sorted(records.locations(tx)):
            if _is_lost(store, location):
                problem = f"The data of an image are gone from the store: {location}."
                yield Difference(
                    check="images", subject=location, problem=problem, help="bring the file back, or delete the image"
                )

    cut = Kind(name="cut_upload", meaning="an image whose upload died", find=cut_uploads, repair=REPAIRS["cut_upload"])
    return (
        *((cut,) if alone else ()),
        Kind(
            name="nameless_file",
            meaning="bytes in the image store that no image names",
            find=nameless_files,
            repair=REPAIRS["nameless_file"],
        ),
        Kind(name="lost_file", meaning="an image whose bytes are gone", find=lost_files, repair=None),
    )


def _is_dead(store: Store, key: str) -> bool:
    """Whether nobody sends an upload any more. A store that is away may have it."""
    try:
        return not store.is_alive(key)
    except errors.Unavailable:
        return False


def _is_lost(store: Store, location: str) -> bool:
    """Whether bytes are gone. Those of a store that is away are not."""
    try:
        store.size(location)
    except errors.NotFound:
        return True
    except errors.Unavailable:
        return False
    return False


def _image(kind: str, subject: str, problem: str, mend: Any) -> Difference:
    return Difference(check="images", subject=subject, problem=problem, help=BY_ITSELF, repair=REPAIRS[kind], mend=mend)
