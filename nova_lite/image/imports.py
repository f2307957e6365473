"""Imports: what their workflow asks of the image service, each call short and to be repeated.

Bytes of elsewhere are fetched by a thread of the process whose runner asked first, as an upload: the store's lock shows to
all processes that it lives, and the image's row names it. When it ends it wakes the operation or signals why it failed.
A conversion is such an upload too: its bytes come from qemu-img.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from nova_lite import errors
from nova_lite.db.engine import Database, Tx
from nova_lite.durable import journal
from nova_lite.image import quotas, records, remote, staging
from nova_lite.image.access import ANYTHING
from nova_lite.image.convert import TARGETS, Converter, Source, is_converted
from nova_lite.image.copying import Copier
from nova_lite.image.ova import Archive, ArchiveRefused
from nova_lite.image.port import FETCH_FAILED, Copying, CopyOrder, FetchOrder
from nova_lite.image.records import Contents
from nova_lite.image.staging import CONVERTED_CONTAINER, Converted, Remote
from nova_lite.image.stores.base import Bytes, Store, key_of
from nova_lite.image.stores.several import Stores, several
from nova_lite.image.upload import PIECE, Order, Uploads, Way
from nova_lite.model.image import Image

LOG = logging.getLogger(__name__)
AT_ONCE = 4  # fetches of one process
AGAIN = (errors.Unavailable, errors.RequestTimeout)


class Incoming(Protocol):
    """Bytes that come from somewhere. `length` is None where nobody knows it before the end."""

    @property
    def length(self) -> int | None:
        """How many bytes are to come."""

    def read(self, size: int, /) -> bytes:
        """Give up to `size` bytes; none at the end."""

    def close(self) -> None:
        """Let go of it. May be repeated."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Job:
    """Bytes to be brought to an image; `prepare` is called where it may take its time."""

    image_id: str
    order: FetchOrder
    prepare: Callable[[], _Bringing]


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Bringing:
    """Bytes that can be read. `image` says the formats that they must have; digests: what they must hash to."""

    image: Image
    file: Incoming
    way: Way
    digests: Mapping[str, str] = dataclasses.field(default_factory=dict)


class Imports:
    """Fulfils `ImportPort`."""

    def __init__(
        self,
        database: Database,
        store: Store,
        open_url: Callable[[str], Incoming],
        *,
        spawn: Callable[[Callable[[], None]], None] | None = None,
        converter: Converter | None = None,
        tokens: Callable[[str], str] | None = None,
        uploads: Uploads | None = None,
    ) -> None:
        """Take what it works with; nothing connects yet.

        open_url: opens a file elsewhere; spawn: runs a fetch, by default in a thread; tokens: opens a sealed token;
        uploads: the rules that what is fetched is taken in by
        """
        self._tokens = tokens
        self._converter = converter
        self._database = database
        self._store = several(store)
        self._uploads = uploads or Uploads(database, self._store)
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
            image = records.get(tx, order.image_id, ANYTHING, tags=False)
            owner = records.upload_of(tx, order.image_id)
            if staging.contents_of(tx, order.image_id) is not None:
                return True
        if order.url is None and not order.remote:
            raise errors.Conflict("The staged data are gone.")
        self._begin(_Job(image_id=image.id, order=order, prepare=lambda: self._open(image, order, owner)), owner)
        return False

    def _open(self, image: Image, order: FetchOrder, owner: str | None) -> _Bringing:
        """Open a web server's file, or an image of another region, of which it is asked first what it is."""
        url = order.url or ""
        if order.token is None or self._tokens is None:
            digests = {} if order.sha512 is None else {"sha512": order.sha512}
            return _Bringing(image=image, file=self._open_url(url), way=_way(owner), digests=digests)
        token = self._tokens(order.token)
        if not url:
            with self._database.read() as tx:
                url = remote.url_of(tx, order.remote)
        said = remote.describe(url, token)
        image = dataclasses.replace(image, disk_format=said.disk_format, container_format=said.container_format)
        with self._database.read() as tx:
            quotas.require(tx, image.owner, {quotas.SIZE: quotas.mebibytes(said.size_bytes)})
        becomes = Remote(disk_format=said.disk_format, container_format=said.container_format, properties=said.properties)
        file = remote.RemoteFile(url, token, said.size_bytes)
        return _Bringing(image=image, file=file, way=_way_of_remote(owner, becomes), digests=said.digests)

    def ensure_converted(self, order: FetchOrder) -> bool:
        """Have what the order's `convert_to` asks for made of the contents, and tell whether it is.

        May be repeated, as `ensure_contents`. Raises: NotFound; Conflict when there are no contents.
        """
        with self._database.read() as tx:
            image = records.get(tx, order.image_id, ANYTHING, tags=False)
            owner = records.upload_of(tx, order.image_id)
            waiting = staging.waiting_of(tx, order.image_id)
        contents, becomes = waiting.original, waiting.remote
        if waiting.converted is not None:
            return True
        if contents is None:
            raise errors.Conflict("The data to be converted are gone.")
        if becomes is not None:
            image = dataclasses.replace(image, disk_format=becomes.disk_format, container_format=becomes.container_format)
        if not is_converted(image.disk_format, image.container_format, order.convert_to):
            return True
        target = order.convert_to or ""
        wanted = dataclasses.replace(image, disk_format=TARGETS[target], container_format=CONVERTED_CONTAINER)
        way = _way_of_conversion(owner, TARGETS[target])

        def prepare() -> _Bringing:
            return _Bringing(image=wanted, file=self._convert(image, contents, target), way=way)

        self._begin(_Job(image_id=image.id, order=order, prepare=prepare), owner)
        return False

    def drop_converted(self, image_id: str) -> None:
        """Have nothing left of a conversion; one that runs notices within seconds. May be repeated. Raises: Unavailable."""
        with self._database.read() as tx:
            made = staging.waiting_of(tx, image_id).converted
        if made is not None:
            self._store.delete(made.contents.location)
        dropped = self._database.transact(lambda tx: staging.drop_converted(tx, image_id))
        if dropped is not None:
            self._store.delete(dropped.contents.location)

    def discard(self, location: str) -> None:
        """Remove bytes that nothing names any more, now or at the next sweep. May be repeated."""
        self._copier.discard(location)

    def drop_contents(self, image_id: str) -> None:
        """Have nothing left of what an import brought; a fetch that runs notices within seconds. May be repeated.

        Raises: Unavailable.
        """
        with self._database.read() as tx:
            contents = staging.waiting_of(tx, image_id).original
        if contents is not None:
            self._store.delete(contents.location)
        dropped = self._database.transact(lambda tx: staging.drop(tx, image_id))
        if dropped is not None:
            self._store.delete(dropped.location)

    def _convert(self, image: Image, contents: Contents, target: str) -> Incoming:
        """Open what is to be made. Raises: OverQuota when a disk that is raw then has no room in the owner's limit."""
        size = contents.virtual_size_bytes or 0
        if self._converter is None:
            raise errors.Unavailable("Images are not converted here.", what="the conversion of images")
        if TARGETS[target] == "raw":
            with self._database.read() as tx:
                quotas.require(tx, image.owner, {quotas.SIZE: quotas.mebibytes(max(0, size - contents.size_bytes))})
        source = Source(
            open=lambda: self._open_disk(image, contents), disk_format=image.disk_format or "", virtual_size_bytes=size
        )
        return self._converter.open(source, target, lambda: self._is_importing(image.id))

    def _open_disk(self, image: Image, contents: Contents) -> Bytes:
        """Open the contents, or the disk that is in them."""
        if image.container_format != "ova":
            return self._store.open(contents.location, 0, contents.size_bytes)
        archive = Archive(lambda _data: None)
        with contextlib.closing(self._store.open(contents.location, 0, contents.size_bytes)) as data:
            try:
                while archive.place is None and (piece := data.read(PIECE)):
                    archive.feed(piece)
                place = archive.place or archive.finish()
            except ArchiveRefused as refusal:
                raise errors.BadRequest(f"The ova archive is not accepted: {refusal}.") from refusal
        return self._store.open(contents.location, place.start, place.length)

    def _is_importing(self, image_id: str) -> bool:
        with self._database.read() as tx:
            return staging.is_importing(tx, image_id)

    def _begin(self, job: _Job, owner: str | None) -> None:
        """Bring the bytes, unless somebody does."""
        image_id = job.image_id
        alive = owner is not None and self._store.is_alive(key_of(image_id, owner))
        if not alive and self._enter(image_id):
            self._spawn(lambda: self._fetch(job))

    def ensure_copies(self, order: CopyOrder) -> Copying:
        """Have an image's bytes in all stores of the order, and tell how far that is. Raises: as `Copier.ensure`."""
        return self._copier.ensure(order)

    def drop_copies(self, image_id: str, stores: Sequence[str]) -> None:
        """Have no copy in these stores. May be repeated. Raises: Unavailable."""
        self._copier.drop(image_id, stores)

    def _enter(self, image_id: str) -> bool:
        with self._lock:
            if image_id in self._running or len(self._running) >= AT_ONCE:
                return False
            self._running.add(image_id)
            return True

    def _fetch(self, job: _Job) -> None:
        """Fetch in full; whatever ends it is told to the operation, if the image is still this fetch's."""
        news: Callable[[Tx], object] | None = _failure(job.order, errors.NovaLiteError("An unexpected error happened."))
        try:
            news = self._bring(job)
        finally:
            with self._lock:
                self._running.discard(job.image_id)
            if news is not None:
                self._tell(news)

    def _bring(self, job: _Job) -> Callable[[Tx], object] | None:
        """Take the bytes in; give what the operation is to be told."""
        image_id, order = job.image_id, job.order
        try:
            bringing = job.prepare()
            with contextlib.closing(bringing.file) as file:
                coming = Order(image_id=image_id, read=file.read, length=file.length, digests=bringing.digests)
                self._uploads.into(self._place_of(order)).take(bringing.image, coming, bringing.way)
        except (errors.Gone, errors.Conflict):
            LOG.info("A fetch ended: its image is not its own any more.", extra={"action": "import", "image_id": image_id})
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


def _way_of_remote(before: str | None, becomes: Remote) -> Way:
    return dataclasses.replace(
        _way(before),
        finish=lambda tx, image_id, upload_id, contents: staging.finish_remote(tx, image_id, upload_id, contents, becomes),
    )


def _way_of_conversion(before: str | None, disk_format: str) -> Way:
    def finish(tx: Tx, image_id: str, upload_id: str, contents: Contents) -> bool:
        return staging.finish_conversion(tx, image_id, upload_id, Converted(contents=contents, disk_format=disk_format))

    return Way(
        own=lambda tx, image_id, upload_id: staging.begin_conversion(tx, image_id, upload_id, before),
        finish=finish,
        give_up=staging.end_fetch,
    )


def _in_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="fetch", daemon=True).start()
