"""Imports: what their workflow asks of the image service, each call short and to be repeated.

Bytes of elsewhere are fetched by a thread of the process whose runner asked first, as an upload: the store's lock shows to
all processes that it lives, and the image's row names it. When it ends it wakes the operation or signals why it failed.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Sequence

from nova_lite import errors
from nova_lite.db.engine import Database, Tx
from nova_lite.durable import journal
from nova_lite.image import records, staging
from nova_lite.image.access import ANYTHING
from nova_lite.image.copying import Copier
from nova_lite.image.port import FETCH_FAILED, Copying, CopyOrder, FetchOrder
from nova_lite.image.stores.base import Store, key_of
from nova_lite.image.stores.several import Stores, several
from nova_lite.image.upload import Order, Uploads, Way
from nova_lite.image.web import WebFile
from nova_lite.model.image import Image

LOG = logging.getLogger(__name__)
AT_ONCE = 4  # fetches of one process
AGAIN = (errors.Unavailable, errors.RequestTimeout)


class Imports:
    """Fulfils `ImportPort`."""

    def __init__(
        self,
        database: Database,
        store: Store,
        open_url: Callable[[str], WebFile],
        *,
        spawn: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        """`open_url` opens a file elsewhere; `spawn` runs a fetch: by default in a thread. Nothing connects yet."""
        self._database = database
        self._store = several(store)
        self._open_url = open_url
        self._spawn = spawn or _in_thread
        self._copier = Copier(database, self._store, self._spawn)
        self._lock = threading.Lock()
        self._running: set[str] = set()

    def ensure_contents(self, order: FetchOrder) -> bool:
        """Have all bytes of an importing image in the store, and tell whether they are.

        May be repeated: who asks again finds the fetch that runs. Raises: NotFound; Conflict when nothing was staged.
        """
        with self._database.read() as tx:
            image = records.get(tx, order.image_id, ANYTHING)
            owner = records.upload_of(tx, order.image_id)
            if staging.contents_of(tx, order.image_id) is not None:
                return True
        if order.url is None:
            raise errors.Conflict("The staged data are gone.")
        alive = owner is not None and self._store.is_alive(key_of(order.image_id, owner))
        if not alive and self._enter(order.image_id):
            self._spawn(lambda: self._fetch(image, order, owner))
        return False

    def drop_contents(self, image_id: str) -> None:
        """Have nothing left of what an import brought; a fetch that runs notices within seconds. May be repeated.

        Raises: Unavailable.
        """
        with self._database.read() as tx:
            contents = staging.contents_of(tx, image_id)
        if contents is not None:
            self._store.delete(contents.location)
        dropped = self._database.transact(lambda tx: staging.drop(tx, image_id))
        if dropped is not None:
            self._store.delete(dropped.location)

    def ensure_copies(self, order: CopyOrder) -> Copying:
        """Have an image's bytes in all stores of the order, and tell how far that is. Raises: as `Copier.ensure`."""
        return self._copier.ensure(order)

    def drop_copies(self, image_id: str, stores: Sequence[str]) -> None:
        """Have no copy in these stores. May be repeated. Raises: Unavailable."""
        self._copier.drop(image_id, stores)

    def discard(self, location: str) -> None:
        """Remove bytes that nothing names any more, now or at the next sweep. May be repeated."""
        self._copier.discard(location)

    def _enter(self, image_id: str) -> bool:
        with self._lock:
            if image_id in self._running or len(self._running) >= AT_ONCE:
                return False
            self._running.add(image_id)
            return True

    def _fetch(self, image: Image, order: FetchOrder, before: str | None) -> None:
        """Fetch in full; whatever ends it is told to the operation, if the image is still this fetch's."""
        news: Callable[[Tx], object] | None = _failure(order, errors.NovaLiteError("An unexpected error happened."))
        try:
            news = self._bring(image, order, before)
        finally:
            with self._lock:
                self._running.discard(image.id)
            if news is not None:
                self._tell(news)

    def _bring(self, image: Image, order: FetchOrder, before: str | None) -> Callable[[Tx], object] | None:
        """Take the bytes in; give what the operation is to be told."""
        try:
            with contextlib.closing(self._open_url(order.url or "")) as file:
                digests = {} if order.sha512 is None else {"sha512": order.sha512}
                coming = Order(image_id=image.id, read=file.read, length=file.length, digests=digests)
                Uploads(self._database, self._place_of(order)).take(image, coming, _way(before))
        except (errors.Gone, errors.Conflict):
            LOG.info("A fetch ended: its image is not its own any more.", extra={"action": "import", "image_id": image.id})
            return None
        except errors.NovaLiteError as error:
            return _failure(order, error)
        return lambda tx: journal.wake(tx, [order.operation_id])

    def _place_of(self, order: FetchOrder) -> Stores:
        return self._store.referring(order.url or "") if order.refer else self._store.preferring(order.store)

    def _tell(self, work: Callable[[Tx], object]) -> None:
        """Write to the journal; where that fails, the operation looks again by itself."""
        try:
            self._database.transact(work)
        except errors.Unavailable as error:
            LOG.warning("An import was not told how its fetch ended: %s", error.message, extra={"action": "import"})


def _failure(order: FetchOrder, error: errors.NovaLiteError) -> Callable[[Tx], object]:
    body = {"turn": order.turn, "message": error.message, "again": isinstance(error, AGAIN)}
    return lambda tx: journal.send_signal(tx, order.operation_id, FETCH_FAILED, body)


def _way(before: str | None) -> Way:
    return Way(
        own=lambda tx, image_id, upload_id: staging.begin_fetch(tx, image_id, upload_id, before),
        finish=staging.finish,
        give_up=staging.end_fetch,
    )


def _in_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="fetch", daemon=True).start()
