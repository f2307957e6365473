"""Copies of images between stores, each made by a thread of the process whose runner asked first, as imports fetch.

The bytes are hashed on the way: a copy that is not what was recorded does not come to be. A store that is away is asked anew
each time the operation looks, a few times; then the copy has failed.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import hashlib
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence

from nova_lite import errors
from nova_lite.db.engine import Database, Tx
from nova_lite.durable import journal
from nova_lite.image import copies, records, staging
from nova_lite.image.access import ANYTHING
from nova_lite.image.client import ImageDamaged
from nova_lite.image.copies import Copy, CopyStatus
from nova_lite.image.port import Copying, CopyOrder
from nova_lite.image.reading import Reading
from nova_lite.image.stores.base import Bytes, Writing, key_of, store_name
from nova_lite.image.stores.several import Stores

LOG = logging.getLogger(__name__)
PIECE = 1 << 20
AT_ONCE = 2  # copies of one process
TRIES = 4
LOOK_EVERY_S = 5.0  # how long a copy goes on after its image was deleted


class Copier:
    """Makes copies."""

    def __init__(self, database: Database, stores: Stores, spawn: Callable[[Callable[[], None]], None]) -> None:
        """`spawn` runs one: a thread, but in tests."""
        self._database = database
        self._stores = stores
        self._spawn = spawn
        self._lock = threading.Lock()
        self._running: set[tuple[str, str]] = set()
        self._tries: collections.Counter[tuple[str, str]] = collections.Counter()

    def ensure(self, order: CopyOrder) -> Copying:
        """Have an image's bytes in the stores of the order, and tell how far that is. May be repeated.

        Raises: NotFound; Conflict when there are no bytes; Unavailable when nobody knows whether a copy is being made.
        """
        with self._database.read() as tx:
            image = records.get(tx, order.image_id, ANYTHING, tags=False)
            staged = staging.contents_of(tx, order.image_id)
            known = {copy.store: copy for copy in copies.of_image(tx, order.image_id)}
        places = list(copies.holders(image, known.values()).values())
        if staged is not None:
            places.insert(0, staged.location)
        if not places:
            raise errors.Conflict("The image has no data to copy.")
        there = {store_name(place) for place in places}
        asked = [known[store] for store in order.stores if store in known and store not in there]
        missing = [copy for copy in asked if copy.status is CopyStatus.COPYING]
        sha512, size = (staged.sha512, staged.size_bytes) if staged is not None else (image.sha512, image.size_bytes)
        for copy in missing:
            self._ensure_one(copy, _Source(places, size or 0, sha512 or ""), order)
        return Copying(
            running=tuple(copy.store for copy in missing), failed=tuple(copies.named(asked, CopyStatus.FAILED)),
            there=tuple(store for store in order.stores if store in there),
        )  # fmt: skip

    def drop(self, image_id: str, stores: Sequence[str]) -> None:
        """Have no copy in these stores; one that runs notices within seconds. May be repeated. Raises: Unavailable."""
        with self._database.read() as tx:
            made = [copy.location for copy in copies.of_image(tx, image_id) if copy.store in stores]
        for location in made:  # first the bytes: whoever dies here begins anew, as long as their name is known
            if location is not None:
                self.discard(location)
        for location in self._database.transact(lambda tx: copies.take_back(tx, image_id, stores)):
            self.discard(location)

    def discard(self, location: str) -> None:
        """Remove bytes that nothing names any more; what cannot be removed now is at the next sweep."""
        try:
            self._stores.delete(location)
        except errors.NovaLiteError as error:
            LOG.warning("Bytes that nothing names stay for now: %s", error.message, extra={"action": "copy"})

    def _ensure_one(self, copy: Copy, source: _Source, order: CopyOrder) -> None:
        owner = copy.upload_id
        if owner is not None and self._stores.is_alive(key_of(copy.image_id, owner)):
            return
        what = (copy.image_id, copy.store)
        with self._lock:
            if what in self._running or len(self._running) >= AT_ONCE:
                return
            self._running.add(what)
        self._spawn(lambda: self._run(copy, source, order))

    def _run(self, copy: Copy, source: _Source, order: CopyOrder) -> None:
        """Make one in full. Whatever ends it is in its row, and the operation is woken, unless another try is to come."""
        what = (copy.image_id, copy.store)
        settled = True
        try:
            settled = self._make(copy, source)
        finally:
            with self._lock:
                self._running.discard(what)
            if settled:
                self._tries.pop(what, None)
                self._tell(lambda tx: journal.wake(tx, [order.operation_id]))

    def _make(self, copy: Copy, source: _Source) -> bool:
        """Make one copy; where a place has other bytes than were recorded, of those of another. Tell whether it is settled."""
        damaged = ImageDamaged()
        for one in source.from_each():
            upload_id = str(uuid.uuid4())
            try:
                self._write(copy, upload_id, one)
                return True
            except ImageDamaged as error:
                LOG.warning("%s", error.message, extra={"action": "copy", "image_id": copy.image_id, "place": one.first})
                damaged, copy = error, dataclasses.replace(copy, upload_id=upload_id)
            except errors.NovaLiteError as error:
                return self._end(copy, upload_id, error)
        return self._end(copy, copy.upload_id, damaged)

    def _write(self, copy: Copy, upload_id: str, source: _Source) -> None:
        """Write one copy, if it is still wanted. Raises: ImageDamaged; Gone; what the stores say."""
        store = self._stores.preferring(copy.store)
        with contextlib.closing(store.begin(key_of(copy.image_id, upload_id), source.size_bytes)) as writing:
            if self._database.transact(lambda tx: copies.begin(tx, copy, upload_id)):
                self._transfer(copy, upload_id, source, writing)
                self._finish(copy, upload_id, writing.finalize())

    def _transfer(self, copy: Copy, upload_id: str, source: _Source, writing: Writing) -> None:
        """Bring all bytes over. Raises: ImageDamaged; Gone; what the stores say."""
        hashed = hashlib.sha512()
        looked = time.monotonic()
        with contextlib.closing(source.open(self._stores)) as file:
            while data := file.read(PIECE):
                hashed.update(data)
                writing.append(data)
                if time.monotonic() - looked > LOOK_EVERY_S:
                    self._require_own(copy, upload_id)
                    looked = time.monotonic()
        if hashed.hexdigest() != source.sha512:
            raise ImageDamaged("The image's data are not what was recorded.")

    def _require_own(self, copy: Copy, upload_id: str) -> None:
        with self._database.read() as tx:
            found = {one.store: one.upload_id for one in copies.of_image(tx, copy.image_id)}
        if found.get(copy.store) != upload_id:
            raise errors.Gone("The copy is not wanted any more.")

    def _finish(self, copy: Copy, upload_id: str, location: str) -> None:
        if not self._database.transact(lambda tx: copies.finish(tx, copy, upload_id, location)):
            self.discard(location)

    def _end(self, copy: Copy, upload_id: str | None, error: errors.NovaLiteError) -> bool:
        """Note that a copy came to nothing, whether it was this upload's by then or not; tell whether that is for good."""
        what = (copy.image_id, copy.store)
        self._tries[what] += 1
        failed = not isinstance(error, errors.Unavailable) or self._tries[what] >= TRIES
        LOG.warning(
            "An image was not copied to store %s: %s", copy.store, error.message,
            extra={"action": "copy", "image_id": copy.image_id},
        )  # fmt: skip
        owners = {copy.upload_id, upload_id}
        self._tell(lambda tx: [copies.let_go(tx, copy, owner, failed=failed) for owner in owners])
        return failed

    def _tell(self, work: Callable[[Tx], object]) -> None:
        """Write to the database; where that fails, the operation looks again by itself."""
        try:
            self._database.transact(work)
        except errors.Unavailable as error:
            LOG.warning("Nobody was told how a copy ended: %s", error.message, extra={"action": "copy"})


class _Source:
    """Where bytes can be had, the nearest place first, and what they are."""

    def __init__(self, places: Sequence[str], size_bytes: int, sha512: str) -> None:
        self._places = places
        self.first = store_name(places[0])
        self.size_bytes = size_bytes
        self.sha512 = sha512

    def open(self, stores: Stores) -> Bytes:
        """Open all bytes, at the first place that has them. Raises: NotFound; Unavailable."""
        return Reading(stores, self._places, 0, self.size_bytes)

    def from_each(self) -> Iterator[_Source]:
        """Give the same bytes with each of the places as the first one."""
        for number in range(len(self._places)):
            yield _Source([*self._places[number:], *self._places[:number]], self.size_bytes, self.sha512)
