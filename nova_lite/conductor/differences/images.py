"""Differences between the records of images and the bytes in their store."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import TypeVar

from nova_lite import errors
from nova_lite.conductor.differences.kind import Difference, OutsideKind
from nova_lite.conductor.differences.operations import BY_ITSELF
from nova_lite.db.engine import Database, Tx
from nova_lite.image import records
from nova_lite.image.stores.base import Kept, Store, key_of

T = TypeVar("T")
REPAIRS = {"cut_upload": "queue the image again", "nameless_file": "remove it", "lost_file": None}


def kinds(store: Store, *, alone: bool = True) -> tuple[OutsideKind, ...]:
    """Give the kinds for a store that this process reaches.

    Only a process whose machine takes all uploads (`alone`) can tell a dead one from another machine's.
    """
    cut = OutsideKind(
        name="cut_upload",
        meaning="an image whose upload died",
        look=functools.partial(_cut_uploads, store),
        repair=REPAIRS["cut_upload"],
    )
    return (
        *((cut,) if alone else ()),
        OutsideKind(
            name="nameless_file",
            meaning="bytes in the image store that no image names",
            look=functools.partial(_nameless_files, store),
            repair=REPAIRS["nameless_file"],
        ),
        OutsideKind(
            name="lost_file",
            meaning="an image whose bytes are gone",
            look=functools.partial(_lost_files, store),
            repair=None,
        ),
    )


def _cut_uploads(store: Store, database: Database) -> Iterator[Difference]:
    for image_id, upload_id in _read(database, records.saving):
        if _is_dead(store, key_of(image_id, upload_id)):
            problem = f"Image {image_id} is said to be uploaded, but nobody sends it."
            yield _image("cut_upload", image_id, problem, functools.partial(_queue_again, store, image_id, upload_id))


def _queue_again(store: Store, image_id: str, upload_id: str, database: Database) -> str | None:
    if not _is_dead(store, key_of(image_id, upload_id)):
        return None
    known = database.transact(lambda tx: records.give_up_upload(tx, image_id, upload_id))
    return "The image is queued again." if known else None


def _nameless_files(store: Store, database: Database) -> Iterator[Difference]:
    for name in store.list_strays(Kept(lambda: _read(database, records.kept))):
        problem = f"The image store holds {name}, which no image names."
        yield _image("nameless_file", name, problem, functools.partial(_remove, store, name))


def _remove(store: Store, name: str, database: Database) -> str | None:
    if not store.remove_stray(name, Kept(lambda: _read(database, records.kept))):
        return None
    database.transact(lambda tx: records.forget_halves(tx, [name]))
    return "It was removed."


def _lost_files(store: Store, database: Database) -> Iterator[Difference]:
    for location in sorted(_read(database, records.locations)):
        if _is_lost(store, location):
            problem = f"The data of an image are gone from the store: {location}."
            yield Difference(check="images", subject=location, problem=problem, help="bring the file back, or delete the image")


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


def _read(database: Database, what: Callable[[Tx], T]) -> T:
    with database.read() as tx:
        return what(tx)


def _image(kind: str, subject: str, problem: str, clear: Callable[[Database], str | None]) -> Difference:
    return Difference(check="images", subject=subject, problem=problem, help=BY_ITSELF, repair=REPAIRS[kind], clear=clear)
