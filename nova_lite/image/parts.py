"""Uploads by parts: what came stays when a client is cut off or the process is killed, and the client goes on behind it.

One row an image says whose upload it is; whose row is gone or names another upload has lost the image, whatever the
image's status. While a part comes the image is `saving` (or `uploading`) as in any upload, and between parts `queued`, as
after one that was cut: whoever sends it whole begins anew, and whoever mends dead uploads mends these too.

The bytes are examined as they come. What another process took in, or one that died, is read again from the store, once,
when all of it is here: nobody waits for that while he sends.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping

from nova_lite import errors
from nova_lite.db import image_parts
from nova_lite.db.engine import Database, Tx
from nova_lite.db.image_parts import Row
from nova_lite.image import records, staging
from nova_lite.image.access import ANYTHING
from nova_lite.image.examination import LARGEST, Examination
from nova_lite.image.records import Contents
from nova_lite.image.stores.base import PartStore, PartWriting, Store, key_of
from nova_lite.image.upload import LOOK_EVERY_S, TO_IMAGE, TO_STAGING, Uploads, Way
from nova_lite.model.image import Image, ImageStatus

LOG = logging.getLogger(__name__)
# What is read at once, from the first time to the last; half a piece is lost when a connection is reset. So of a line that
# is cut again and again half of what it brings stays, and a good line is read in few pieces.
LEAST_PIECE, MOST_PIECE = 16 * 1024, 1 << 20
EXAMINATIONS = 32  # of unfinished uploads that a process remembers, each 2 MiB at most
NEAR = 64 << 20  # bytes that are read again at once, before the next part is taken in
CUT = (errors.RequestTimeout, errors.BadRequest)  # what a body raises that ends early


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sender:
    """Who sends: nobody else goes on with an upload."""

    user_id: str
    project_id: str | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """The bytes from `start` up to `end`, without it, of `total`; `read` as in `upload.Order`.

    staged: they are for an import to come; digests: of the whole image, as in `upload.Order`
    """

    image_id: str
    sender: Sender
    start: int
    end: int
    total: int
    read: Callable[[int], bytes]
    staged: bool = False
    digests: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Progress:
    """How far an upload came."""

    received: int
    complete: bool = False


class Parts:
    """Takes images in by parts."""

    def __init__(self, database: Database, store: Store, uploads: Uploads) -> None:
        """Nothing connects yet."""
        self._database = database
        self._store = store
        self._uploads = uploads
        self._lock = threading.Lock()
        self._examinations: OrderedDict[str, Examination] = OrderedDict()
        self.reread_bytes = 0

    def take(self, part: Part) -> Progress:
        """Take a part in; the one from byte 0 on begins the upload, anew if need be. The last one makes the image active.

        What is wrong with the image as a whole (FormatRefused, a wrong digest, InsufficientStorage) ends the upload and nothing
        is left; what `read` raises, and Unavailable, leave what came.
        Raises: Conflict (gap, overlap, another total, another sender at the same moment, not queued); Forbidden (another's
        upload); Gone; as `Uploads.run`.
        """
        if part.total > LARGEST:
            raise errors.TooLarge(f"An image may have at most {LARGEST} bytes.")
        session = self._begin(part) if part.start == 0 else self._go_on(part)
        with session.writing_kept():
            if part.start != session.writing.size:
                raise errors.Conflict(
                    f"{session.writing.size} bytes are here; the next part begins there, not at {part.start}."
                )
            self._own(session)
            return self._receive(session, part)

    def ask(
        self,
        image_id: str,
        sender: Sender,
        *,
        total: int | None = None,
        staged: bool = False,
        digests: Mapping[str, str] | None = None,
    ) -> Progress:
        """Tell how far an upload came. One of which all bytes are here, but whose end was cut off, is completed.

        `total` is what the client has, if it says so; the others as of a part.
        Raises: Conflict while a part comes, or with another total than the upload's; Forbidden; NotFound.
        """
        with self._database.read() as tx:
            image = records.get(tx, image_id, ANYTHING, tags=False)
            row = image_parts.find(tx, image_id)
            if row is None:
                waiting = staging.contents_of(tx, image_id) if staged else None
                return _progress_without_parts(image, waiting.size_bytes if waiting else image.size_bytes, total, staged=staged)
        _require_same(row, sender, total, staged=staged)
        writing = self._taken_up(image, row, 0)
        if writing is None:
            return Progress(received=0)
        received = writing.size
        writing.suspend()
        if received < row["total_bytes"]:
            return Progress(received=received)
        nothing = Part(
            image_id=image_id, sender=sender, start=received, end=received, total=received, read=lambda _size: b"",
            staged=staged, digests=digests or {},
        )  # fmt: skip
        return self.take(nothing)

    def forget(self, tx: Tx, image: Image) -> None:
        """Remove half an upload of an image that is deleted, once that is committed."""
        row = image_parts.find(tx, image.id)
        store = self._store
        if row is not None and isinstance(store, PartStore):
            key = key_of(image.id, row["upload_id"])
            tx.after_commit(lambda: _drop(store, key))

    def _begin(self, part: Part) -> _Session:
        """Make a new upload in the place of any other of the image; its row comes first, so that no file is without one."""
        store = self._part_store()
        image = self._uploads.startable(part.image_id)
        with self._database.read() as tx:
            before = image_parts.find(tx, image.id)
        upload_id = str(uuid.uuid4())
        values = {
            "image_id": image.id, "upload_id": upload_id, "total_bytes": part.total, "staged": part.staged,
            "user_id": part.sender.user_id, "project_id": part.sender.project_id, "created_at": self._database.clock.wall(),
        }  # fmt: skip
        self._database.transact(lambda tx: _replace(tx, before, values))
        if before is not None:
            _drop(store, key_of(image.id, before["upload_id"]))
        try:
            writing = store.take_up(key_of(image.id, upload_id), part.total, fresh=True)
        except errors.InsufficientStorage:
            self._database.transact(lambda tx: image_parts.delete(tx, image.id, upload_id))
            raise
        if writing is None:
            raise errors.Unavailable("The image store does not keep what it was given.", what="the image store")
        return _Session(image=image, upload_id=upload_id, way=_way(part.staged), writing=writing)

    def _go_on(self, part: Part) -> _Session:
        """Find the upload that a part belongs to."""
        with self._database.read() as tx:
            image = records.get(tx, part.image_id, ANYTHING, tags=False)
            row = image_parts.find(tx, part.image_id)
        records.require_uploadable(image)
        if row is None:
            raise errors.Conflict("Nothing of this image is here; the first part begins at byte 0.")
        _require_same(row, part.sender, part.total, staged=part.staged)
        writing = self._taken_up(image, row, part.total - part.start)
        if writing is None:
            raise errors.Conflict("Nothing of this image is here any more; the first part begins at byte 0.")
        return _Session(image=image, upload_id=str(row["upload_id"]), way=_way(part.staged), writing=writing)

    def _taken_up(self, image: Image, row: Row, missing: int) -> PartWriting | None:
        return self._part_store().take_up(key_of(image.id, row["upload_id"]), missing, fresh=False)

    def _part_store(self) -> PartStore:
        if not isinstance(self._store, PartStore):
            raise errors.BadRequest("The image store takes uploads whole only; send it without Content-Range.")
        return self._store

    def _own(self, session: _Session) -> None:
        """Show that bytes come. Raises: Conflict when the image is not queued, or the upload has ended."""
        if not self._database.transact(session.own):
            if not session.writing.size:
                session.writing.close()
            raise errors.Conflict(f"Image {session.image.id} is being uploaded already, or takes no data any more.")

    def _receive(self, session: _Session, part: Part) -> Progress:
        """Take the part's bytes; keep them when the client is cut off, and complete the image with the last one."""
        examination = self._remembered(session)
        try:
            self._gather(session, part, examination)
            if session.writing.size == part.total:
                self._complete(session, part, examination)
                return Progress(received=part.total, complete=True)
        except (_Cut, errors.Unavailable) as error:
            self._rest(session, examination)
            raise error.reason if isinstance(error, _Cut) else error from error
        except errors.NovaLiteError:
            self._end(session)
            raise
        self._rest(session, examination)
        return Progress(received=session.writing.size)

    def _gather(self, session: _Session, part: Part, examination: Examination) -> None:
        """Write the part. Raises: _Cut; Gone."""
        writing, looked, left, size = session.writing, time.monotonic(), part.end - part.start, LEAST_PIECE
        if writing.size - examination.size <= NEAR:
            self._catch_up(session, examination)
        while left and (data := _read(part, min(size, left))):
            size = min(2 * size, MOST_PIECE)
            if examination.size == writing.size:
                examination.feed(data)
            writing.append(data)
            left -= len(data)
            if time.monotonic() - looked > LOOK_EVERY_S:
                self._look(session)
                looked = time.monotonic()
        if left:
            raise _Cut(errors.BadRequest("The body ended before the part did."))

    def _catch_up(self, session: _Session, examination: Examination) -> None:
        """Examine what is in the store already."""
        looked = time.monotonic()
        for data in session.writing.reread(examination.size):
            examination.feed(data)
            self.reread_bytes += len(data)
            if time.monotonic() - looked > LOOK_EVERY_S:
                self._look(session)
                looked = time.monotonic()

    def _complete(self, session: _Session, part: Part, examination: Examination) -> None:
        self._catch_up(session, examination)
        finding = examination.check(part.total, part.digests)
        self._look(session)  # else the bytes may be gone by now, which would look like a broken store
        contents = examination.contents(finding, session.writing.finalize())
        if not self._database.transact(lambda tx: session.finish(tx, contents)):
            self._store.delete(contents.location)
            raise _lost(session)
        LOG.info(
            "An image's data are complete, by parts.",
            extra={"action": "upload", "image_id": session.image.id, "bytes": contents.size_bytes},
        )

    def _look(self, session: _Session) -> None:
        with self._database.read() as tx:
            row = image_parts.find(tx, session.image.id)
        if row is None or row["upload_id"] != session.upload_id:
            raise _lost(session)

    def _remembered(self, session: _Session) -> Examination:
        """Give the examination of an upload as far as this process knows it; the claim may have changed meanwhile."""
        claim = (session.image.disk_format, session.image.container_format)
        with self._lock:
            known = self._examinations.pop(session.upload_id, None)
        if known is None or known.claim != claim or known.size > session.writing.size:
            return self._uploads.examine(*claim)
        return known

    def _rest(self, session: _Session, examination: Examination) -> None:
        """Leave an upload for its next part."""
        with self._lock:
            self._examinations[session.upload_id] = examination
            while len(self._examinations) > EXAMINATIONS:
                self._examinations.popitem(last=False)
        self._give_up(session, lambda tx: session.way.give_up(tx, session.image.id, session.upload_id))

    def _end(self, session: _Session) -> None:
        """End an upload that cannot come right; nothing is left of it."""
        self._give_up(session, session.end)
        session.writing.close()

    def _give_up(self, session: _Session, work: Callable[[Tx], object]) -> None:
        """Queue an image again. An outage here is mended by the next part, the next upload, or the next start."""
        try:
            self._database.transact(work)
        except errors.Unavailable:
            LOG.warning("An image stays in saving for now.", extra={"action": "upload", "image_id": session.image.id})


class _Cut(Exception):
    """The client is gone; what came stays."""

    def __init__(self, reason: errors.NovaLiteError) -> None:
        self.reason = reason
        super().__init__(reason.message)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Session:
    """An upload by parts that this thread holds."""

    image: Image
    upload_id: str
    way: Way
    writing: PartWriting

    def writing_kept(self) -> _Kept:
        """Let go of the bytes at the end, and keep those that are neither finished nor removed."""
        return _Kept(self.writing)

    def own(self, tx: Tx) -> bool:
        """Take the image from nobody, or from an earlier part whose process died: nobody else holds the upload's lock."""
        row = image_parts.find(tx, self.image.id, lock=True)
        if row is None or row["upload_id"] != self.upload_id:
            return False
        self.way.give_up(tx, self.image.id, self.upload_id)
        return self.way.own(tx, self.image.id, self.upload_id)

    def finish(self, tx: Tx, contents: Contents) -> bool:
        """Give the image its contents; False when the upload has lost it."""
        if not self.own(tx):
            return False
        image_parts.delete(tx, self.image.id, self.upload_id)
        return self.way.finish(tx, self.image.id, self.upload_id, contents)

    def end(self, tx: Tx) -> None:
        """Queue the image again and forget the upload."""
        image_parts.delete(tx, self.image.id, self.upload_id)
        self.way.give_up(tx, self.image.id, self.upload_id)


class _Kept:
    """Suspends a writing at the end of a block."""

    def __init__(self, writing: PartWriting) -> None:
        self._writing = writing

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_about: object) -> None:
        self._writing.suspend()


def _replace(tx: Tx, before: Row | None, values: Mapping[str, object]) -> None:
    """Put an upload into the place of the one that was there. Raises: Conflict when that is another one by now; NotFound."""
    image_id = str(values["image_id"])
    image = records.get(tx, image_id, ANYTHING, lock=True, tags=False)
    now = image_parts.find(tx, image_id, lock=True)
    if image.status is not ImageStatus.QUEUED or (now and now["upload_id"]) != (before and before["upload_id"]):
        raise errors.Conflict(f"Image {image_id} is being uploaded already.")
    if now is not None:
        image_parts.delete(tx, image_id, now["upload_id"])
    image_parts.insert(tx, values)


def _require_same(row: Row, sender: Sender, total: int | None, *, staged: bool) -> None:
    """See that a part belongs to an upload. Raises: Forbidden; Conflict."""
    if (row["user_id"], row["project_id"]) != (sender.user_id, sender.project_id):
        raise errors.Forbidden("Another user or project began this upload, and alone goes on with it.")
    if total is not None and total != row["total_bytes"]:
        raise errors.Conflict(f"This upload was begun with {row['total_bytes']} bytes in all, not {total}.")
    if staged != row["staged"]:
        raise errors.Conflict(f"This upload was begun with PUT .../{'stage' if row['staged'] else 'file'}.")


def _progress_without_parts(image: Image, size: int | None, total: int | None, *, staged: bool) -> Progress:
    """Say of an image without half an upload whether it is complete, so that whose last answer was lost learns it."""
    if image.status is ImageStatus.QUEUED:
        return Progress(received=0)
    done = image.status is ImageStatus.UPLOADING if staged else image.status is ImageStatus.ACTIVE
    if done and size is not None and total in (None, size):
        return Progress(received=size, complete=True)
    raise errors.Conflict(f"Image {image.id} is {image.status}, and there is no upload of it by parts.")


def _way(staged: bool) -> Way:
    return TO_STAGING if staged else TO_IMAGE


def _read(part: Part, size: int) -> bytes:
    try:
        return part.read(size)
    except CUT as error:
        raise _Cut(error) from error


def _lost(session: _Session) -> errors.Gone:
    return errors.Gone(f"Image {session.image.id} was deleted, or uploaded anew, while it was being uploaded.")


def _drop(store: PartStore, key: str) -> None:
    """Remove half an upload; what cannot be removed now is when it is a day old."""
    try:
        store.drop_parts(key)
    except errors.Unavailable as error:
        LOG.warning("Half an upload stays for now: %s", error.message, extra={"action": "upload"})
