"""Uploads: bytes are appended to a store, hashed and inspected on the way, and visible only when all of them are right.

The order that makes a half image impossible: the store holds a lock for the upload; then the record says `saving` and names
the upload; the bytes come; the store makes them durable; one UPDATE makes the image active if it still belongs to this
upload. Where the answer to that UPDATE is lost, the bytes stay until a sweep has looked at the record.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping

from nova_lite import errors
from nova_lite.db import image_parts
from nova_lite.db.engine import Database, Tx
from nova_lite.image import records, staging
from nova_lite.image.access import ANYTHING
from nova_lite.image.examination import LARGEST, Examination
from nova_lite.image.records import Contents
from nova_lite.image.stores.base import PartStore, Store, Writing, key_of
from nova_lite.model.image import Image, ImageStatus

LOG = logging.getLogger(__name__)
PIECE = 1 << 20
LOOK_EVERY_S = 5.0  # how long an upload goes on after its image was deleted


@dataclasses.dataclass(frozen=True, kw_only=True)
class Order:
    """What comes: `read(size)` gives bytes until none are left, and raises one of our errors when the client is gone.

    length: bytes announced, if known; digests: what the client says they hash to, by `md5` or `sha512`, in hexadecimal
    """

    image_id: str
    read: Callable[[int], bytes]
    length: int | None = None
    digests: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Way:
    """How bytes come to an image, as transactions on its id and the upload's: each tells whether the image was the upload's."""

    own: Callable[[Tx, str, str], bool]
    finish: Callable[[Tx, str, str, Contents], bool]
    give_up: Callable[[Tx, str, str], bool]


def _begin_stage(tx: Tx, image_id: str, upload_id: str) -> bool:
    return records.begin_upload(tx, image_id, upload_id, ImageStatus.UPLOADING)


TO_IMAGE = Way(own=records.begin_upload, finish=records.finish_upload, give_up=records.give_up_upload)
TO_STAGING = Way(own=_begin_stage, finish=staging.finish, give_up=records.give_up_upload)


Examine = Callable[[str | None, str | None], Examination]


class Uploads:
    """Takes the bytes of images into a store."""

    def __init__(self, database: Database, store: Store, examine: Examine = Examination) -> None:
        """`examine` makes the examination of an image by its claim. Nothing connects yet."""
        self.examine = examine
        self._database = database
        self._store = store

    def into(self, store: Store) -> Uploads:
        """Give what takes images into another store by the same rules."""
        return Uploads(self._database, store, self.examine)

    def run(self, order: Order) -> None:
        """Take one image in. Nothing is left of it when this raises, and the image is queued as before.

        Raises: BadRequest (no formats, wrong length or digest), Conflict (not queued), FormatRefused, Gone (deleted
        meanwhile), InsufficientStorage, TooLarge, Unavailable, and what `order.read` raises.
        """
        self.take(self._startable(order), order, TO_IMAGE)

    def stage(self, order: Order) -> None:
        """Take the bytes of one image in for an import to come. Raises: as `run`."""
        self.take(self._startable(order), order, TO_STAGING)

    def take(self, image: Image, order: Order, way: Way) -> None:
        """Take the bytes of an image in that may have some. Raises: as `run`."""
        upload_id = str(uuid.uuid4())
        with contextlib.closing(self._store.begin(key_of(image.id, upload_id), order.length)) as writing:
            if not self._database.transact(lambda tx: way.own(tx, image.id, upload_id)):
                raise errors.Conflict(f"Image {image.id} is being uploaded already, or is gone.")
            self._end_parts(image.id)
            with self._given_up_on_failure(image, upload_id, way):
                arrival = _Arrival(order, self.examine(image.disk_format, image.container_format), writing)
                contents = arrival.take(lambda: self._require_own(image, upload_id))
            self._finish(image, upload_id, contents, way)

    def recover(self) -> int:
        """Queue again every image whose upload died with its process; tell how many."""
        with self._database.read() as tx:
            saving = records.saving(tx)
        dead = [(image, upload) for image, upload in saving if not self._store.is_alive(key_of(image, upload))]
        return sum(self._give_up(image, upload, TO_IMAGE) for image, upload in dead)

    def _end_parts(self, image_id: str) -> None:
        """Remove what came of an image by parts: these bytes come from the beginning."""
        with self._database.read() as tx:
            parts = image_parts.find(tx, image_id)
        if parts is None or not isinstance(self._store, PartStore):
            return
        upload_id = str(parts["upload_id"])
        if self._database.transact(lambda tx: image_parts.delete(tx, image_id, upload_id)):
            try:
                self._store.drop_parts(key_of(image_id, upload_id))
            except errors.Unavailable as error:  # of a store that these bytes may not go to
                LOG.warning(
                    "Parts of an image stay for now: %s", error.message, extra={"action": "sweep", "image_id": image_id}
                )

    def startable(self, image_id: str) -> Image:
        """Give an image to which bytes may come from the beginning; take it back from an upload that is dead.

        Raises: NotFound; BadRequest; Conflict.
        """
        return self._startable(Order(image_id=image_id, read=lambda _size: b""))

    def _startable(self, order: Order) -> Image:
        """Give the image if bytes may come; take it back from an upload that is dead."""
        if (order.length or 0) > LARGEST:
            raise errors.TooLarge(f"An image may have at most {LARGEST} bytes.")
        image_id = order.image_id
        with self._database.read() as tx:
            image = records.get(tx, image_id, ANYTHING, tags=False)
            other = records.upload_of(tx, image_id)
        records.require_uploadable(image)
        if other is not None and not self._store.is_alive(key_of(image_id, other)):
            self._give_up(image_id, other, TO_IMAGE)
        elif image.status is not ImageStatus.QUEUED:
            raise errors.Conflict(f"Image {image_id} is {image.status} already.")
        return image

    def _require_own(self, image: Image, upload_id: str) -> None:
        with self._database.read() as tx:
            owner = records.upload_of(tx, image.id)
        if owner != upload_id:
            raise _deleted(image)

    @contextlib.contextmanager
    def _given_up_on_failure(self, image: Image, upload_id: str, way: Way) -> Iterator[None]:
        done = False
        try:
            yield
            done = True
        finally:
            if not done:
                self._give_up(image.id, upload_id, way)

    def _give_up(self, image_id: str, upload_id: str, way: Way) -> bool:
        """Take an image from an upload. An outage here is mended by the next upload of the image, or the next start."""
        try:
            return self._database.transact(lambda tx: way.give_up(tx, image_id, upload_id))
        except errors.Unavailable:
            LOG.warning("An image stays in saving until the next start.", extra={"action": "upload", "image_id": image_id})
            return False

    def _finish(self, image: Image, upload_id: str, contents: Contents, way: Way) -> None:
        try:
            known = self._database.transact(lambda tx: way.finish(tx, image.id, upload_id, contents))
        except errors.Unavailable:
            LOG.error("Nobody knows whether an upload was recorded.", extra={"action": "upload", "image_id": image.id})
            raise
        if not known:
            self._store.delete(contents.location)
            raise _deleted(image)
        LOG.info(
            "An image's data are complete.", extra={"action": "upload", "image_id": image.id, "bytes": contents.size_bytes}
        )


class _Arrival:
    """The bytes of one upload on their way."""

    def __init__(self, order: Order, examination: Examination, writing: Writing) -> None:
        self._order = order
        self._examination = examination
        self._writing = writing

    def take(self, look: Callable[[], None]) -> Contents:
        """Take all bytes, check them, and make them durable. `look` raises when the image is not this upload's any more."""
        looked = time.monotonic()
        while data := self._order.read(PIECE):
            self._examination.feed(data)
            self._writing.append(data)
            if time.monotonic() - looked > LOOK_EVERY_S:
                look()
                looked = time.monotonic()
        finding = self._examination.check(self._order.length, self._order.digests)
        return self._examination.contents(finding, self._writing.finalize())


def _deleted(image: Image) -> errors.Gone:
    return errors.Gone(f"Image {image.id} was deleted while it was being uploaded.")
