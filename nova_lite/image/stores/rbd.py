"""Images in Ceph: an RBD image `<key>`, complete once it has a protected snapshot `snap`, of which others may make clones.

An upload that lives has a note and a lease on one object of the pool. The note names its process, so that the same machine
knows at once when that is dead; the lease ends by the clock of Ceph's storage, for all other machines. Who removes what a dead
writer left has Ceph refuse that writer first: one that was held for dead, and comes back, writes nothing any more.

Who reads has the image open, which Ceph knows. Deleting takes the protection away, so that nobody begins to read it; the
last reader removes what is left.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator

import orjson

from nova_lite import errors
from nova_lite.image.stores import writers
from nova_lite.image.stores.base import KEY, Swept, checked, key_in
from nova_lite.image.stores.ceph import Cluster, Place, RbdImage
from nova_lite.image.stores.rbd_notes import LEASE_MARK, UPLOADS, client_of, forget, is_alive, writes_more

LOG = logging.getLogger(__name__)
SCHEME = "rbd"
SNAPSHOT = "snap"  # the name that Glance gives it, and Cinder and Nova look for
YOUNG = "nova_lite_young"  # a lease on a finished image: its record may still be on the way
KEPT, INCOMING, NOTES = "kept/", "incoming/", "notes/"
PIECE = 8 << 20  # one object of an image
ZEROS = bytes(PIECE)
GROW = 1 << 30
LEASE_S, RENEW_S = 600.0, 30.0  # a MiB at the slowest rate that is borne takes a minute
ORPHAN_AGE_S = 60.0
CLOSINGS, PAUSE_S = 3, 0.3
AWAY_S = 3.0  # until Ceph is tried again
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
BLOCKED = errno.ESHUTDOWN  # what Ceph tells a client that it takes nothing from
IN_USE = "The image's data are in use: other disks were cloned of them."


class RbdStore:
    """A pool."""

    type = SCHEME
    read_only = False
    description = "Images in a pool of Ceph"

    def __init__(self, place: Place, *, name: str = SCHEME, connect: Callable[[Place], Cluster] = Cluster) -> None:
        """Nothing connects yet."""
        self.name = name
        self._place = place
        self._connect = connect
        self._lock = threading.Lock()
        self._cluster: tuple[int, Cluster] | None = None
        self._away_until = 0.0

    def cluster(self) -> Cluster:
        """Give the connection of this process: none is shared over a fork. Raises: Unavailable."""
        with self._lock:
            if self._cluster is None or self._cluster[0] != os.getpid():
                if time.monotonic() < self._away_until:  # who waited for the lock does not wait for Ceph once more
                    raise _away()
                try:
                    _require_private(self._place)
                    self._cluster = os.getpid(), self._connect(self._place)
                except OSError as error:  # also of a pool that is not there: an outage, and no lost image
                    self._away_until = time.monotonic() + AWAY_S
                    LOG.error("Ceph cannot be reached: %s", _said(error), extra={"action": "store"})
                    raise _away() from None
            return self._cluster[1]

    @contextlib.contextmanager
    def translated(self, *, lookup: bool = False, of: Cluster | None = None) -> Iterator[None]:
        """Make our errors of Ceph's, of one connection or the present one; in a lookup, what is missing is NotFound."""
        connection = of or (self._cluster and self._cluster[1])
        try:
            yield
        except OSError as error:
            if lookup and error.errno == errno.ENOENT:
                raise errors.NotFound("The image's data are not in the store.") from None
            if error.errno in FULL:
                raise errors.InsufficientStorage("The image store is full.") from None
            if error.errno == BLOCKED:
                with self._lock:
                    if self._cluster and self._cluster[1] is connection:  # else somebody has made another one since
                        self._cluster = None  # the next one is another client
            LOG.error("Ceph answers %s.", _said(error), extra={"action": "store"})
            raise _away() from None

    def begin(self, key: str, expected_bytes: int | None) -> RbdWriting:
        """Start an upload. Raises: InsufficientStorage when `expected_bytes` do not fit; Unavailable."""
        writing = RbdWriting(self, self.cluster(), checked(key))
        writing.require_room(expected_bytes or 1)
        try:
            writing.start(expected_bytes or 0)
        except errors.NovaLiteError:
            writing.close()
            raise
        return writing

    def is_alive(self, key: str) -> bool:
        """Whether an upload lives: it has its lease, and its process is not known to be gone. Raises: Unavailable."""
        cluster = self.cluster()
        with self.translated():
            return is_alive(cluster, checked(key), cluster.notes(UPLOADS))

    def open(self, location: str, start: int, length: int) -> RbdRange:
        """Open a part of an image. Raises: NotFound; Unavailable."""
        key = key_in(location, self.name)
        image = self._open_kept(key)
        try:
            with self.translated():
                return RbdRange(self, key, image, range(start, min(start + length, image.size())))
        except errors.NovaLiteError:
            let_go(image)
            raise

    def size(self, location: str) -> int:
        """Give an image's size. Raises: NotFound; Unavailable."""
        image = self._open_kept(key_in(location, self.name))
        try:
            with self.translated():
                return image.size()
        finally:
            let_go(image)

    def _open_kept(self, key: str) -> RbdImage:
        cluster = self.cluster()
        with self.translated(lookup=True):
            image = cluster.open(key, SNAPSHOT)
            if image.is_protected(SNAPSHOT):
                return image
        let_go(image)
        raise errors.NotFound("The image's data are not in the store.")

    def delete(self, location: str) -> None:
        """Remove an image, or leave that to its last reader. May be repeated.

        Raises: Conflict when it has clones; Unavailable.
        """
        self.remove(key_in(location, self.name))

    def require_unused(self, location: str) -> None:
        """Do nothing unless an image has clones. Raises: Conflict; NotFound; Unavailable."""
        image = self._open_kept(key_in(location, self.name))
        try:
            with self.translated():
                if image.has_clones(SNAPSHOT):
                    raise errors.Conflict(IN_USE)
        finally:
            let_go(image)

    def url_of(self, location: str) -> str:
        """Give the URL by which other services clone an image. Raises: NotFound; Unavailable."""
        key, cluster = key_in(location, self.name), self.cluster()
        with self.translated():
            return f"rbd://{cluster.fsid()}/{self._place.pool}/{key}/{SNAPSHOT}"

    def remove(self, key: str) -> bool:
        """Remove an image with its snapshot; False while others have it open. May be repeated. Raises: as `delete`."""
        cluster = self.cluster()
        with self.translated():
            try:
                image = cluster.open(key)
            except FileNotFoundError:  # or only a part of its making is there
                return _removed(cluster, key)
            try:
                if not _clear(image):
                    return False
            except FileNotFoundError:  # somebody else removes it
                return False
            finally:
                image.close()
            return _removed(cluster, key)

    def sweep(self, kept: Collection[str]) -> Swept:
        """Remove what dead writers left, and old images that no record names. Raises: Unavailable."""
        done = [name for name in self.list_strays(kept) if self._remove_stray(name)]
        orphans = sum(name.startswith(KEPT) for name in done)
        return Swept(leftovers=sum(name.startswith(INCOMING) for name in done), orphans=orphans)

    def list_strays(self, kept: Collection[str]) -> list[str]:
        """Name finished images, half ones and notes that a sweep would remove. Raises: Unavailable."""
        cluster = self.cluster()
        with self.translated():
            names = cluster.names()  # first: whoever makes an image has its note already
            notes = cluster.notes(UPLOADS)
            keys = dict.fromkeys([*(name.removeprefix(LEASE_MARK) for name in notes), *names])
            found = [self._stray(cluster, key, notes, kept) for key in keys if KEY.fullmatch(key)]
        return [name for name in found if name is not None]

    def _stray(self, cluster: Cluster, key: str, notes: dict[str, bytes], kept: Collection[str]) -> str | None:
        """Give what the rest of an upload is called; None where it is none."""
        noted = not notes.keys().isdisjoint((key, LEASE_MARK + key))
        if noted and is_alive(cluster, key, notes):
            return None
        if f"{self.name}:{key}" in kept:
            return NOTES + key if noted else None
        try:
            image = cluster.open(key)
        except FileNotFoundError:
            return INCOMING + key
        try:
            if not image.is_protected(SNAPSHOT):
                return INCOMING + key
            return None if cluster.is_leased(image.header(), YOUNG) else KEPT + key
        finally:
            image.close()

    def remove_stray(self, name: str, kept: Collection[str]) -> bool:
        """Remove one such thing; tell whether it was there and a stray still. Raises: Unavailable."""
        return name in self.list_strays(kept) and self._remove_stray(name)

    def _remove_stray(self, name: str) -> bool:
        """Have the writer shut out, then remove what it left; False when something stands on it, or the writer lives.

        One client may write several images: while another one of them grows, it is not shut out, and all stays.
        """
        cluster, key = self.cluster(), name.partition("/")[2]
        with self.translated():
            notes = cluster.notes(UPLOADS)
            if is_alive(cluster, key, notes):
                return False
            client = client_of(notes, key)
            if client not in (None, cluster.address) and writes_more(cluster, str(client), notes):
                return False
        return self.wipe(name)

    def wipe(self, name: str) -> bool:
        """Remove a stray without asking whether anybody writes. Raises: Unavailable."""
        folder, _, key = name.partition("/")
        cluster = self.cluster()
        with self.translated():
            client = client_of(cluster.notes(UPLOADS), key)
            if client not in (None, cluster.address):
                cluster.block(str(client))
        try:
            if folder + "/" != NOTES and not self.remove(key):
                return False
        except errors.Conflict as error:
            LOG.warning("Bytes that no image names stay: %s", error.message, extra={"action": "sweep"})
            return False
        with self.translated():
            forget(cluster, key)
        return True


class RbdWriting:
    """An image that grows."""

    def __init__(self, store: RbdStore, cluster: Cluster, key: str) -> None:
        """Made by `RbdStore.begin` only."""
        self._store, self._cluster, self._key = store, cluster, key
        self._image: RbdImage | None = None
        self._buffer = bytearray()
        self._written = self._size = 0
        self._renewed = 0.0
        self._finalized = self._closed = self._hangs = False

    def require_room(self, needed: int) -> None:
        """Do nothing when so many bytes fit. Raises: InsufficientStorage; Unavailable."""
        with self._working():
            free = self._cluster.free_bytes()
        if free is not None and needed > free:
            raise errors.InsufficientStorage(f"The image store is full: {max(free, 0)} bytes are free, {needed} are needed.")

    def start(self, size: int) -> None:
        """Say that this process writes, then make the image. Raises: InsufficientStorage, Unavailable."""
        note = {**writers.this_process(), "client": self._cluster.address}
        with self._working():
            self._cluster.lease(UPLOADS, self._key, LEASE_S)
            self._cluster.set_note(UPLOADS, self._key, orjson.dumps(note))
            self._renewed = time.monotonic()
            self._cluster.create(self._key, size)
            self._image = self._cluster.open(self._key)
            self._size = size

    def append(self, data: bytes) -> None:
        """Keep bytes, and write them when there are enough. Raises: InsufficientStorage, Unavailable."""
        self._opened()
        self._buffer += data
        with self._working():
            if time.monotonic() - self._renewed > RENEW_S:
                self._renew()
            while len(self._buffer) >= PIECE:
                self._write(bytes(self._buffer[:PIECE]))
                del self._buffer[:PIECE]

    def finalize(self) -> str:
        """Have all bytes be durable; then the snapshot's protection shows them. Raises: InsufficientStorage, Unavailable."""
        image = self._opened()
        with self._working():
            self._write(bytes(self._buffer))
            self._buffer.clear()
            image.flush()
            if self._size != self._written:
                image.resize(self._written)
            self._renew()
            image.snap(SNAPSHOT)
            if ORPHAN_AGE_S > 0:
                self._cluster.lease(image.header(), YOUNG, ORPHAN_AGE_S)
            image.protect(SNAPSHOT)
        self._finalized = True
        return f"{self._store.name}:{self._key}"

    def close(self) -> None:
        """Remove the image unless it is finalized, and stop to be alive. May be repeated."""
        if self._closed:
            return
        self._closed = True
        self._buffer.clear()
        if self._hangs:  # each further call would wait as long
            if self._image is not None:
                let_go(self._image, hangs=True)
            LOG.warning("A cut upload is not removed while Ceph does not answer; a sweep will.", extra={"action": "upload"})
            return
        try:
            if self._image is not None:
                let_go(self._image)
            if not self._finalized:
                self._store.remove(self._key)
            with self._store.translated():
                forget(self._cluster, self._key)
        except errors.NovaLiteError:
            LOG.warning("A cut upload could not be removed; a sweep will.", extra={"action": "upload"})

    def _opened(self) -> RbdImage:
        if self._closed or self._image is None:
            raise ValueError("the upload has ended")
        return self._image

    @contextlib.contextmanager
    def _working(self) -> Iterator[None]:
        with self._store.translated(of=self._cluster):
            try:
                yield
            except OSError as error:
                # Besides ETIMEDOUT there is EROFS, where a lock of Ceph's did not come in time, and EBADMSG from snapshots.
                self._hangs = error.errno not in (*FULL, errno.ENOENT, BLOCKED)
                raise

    def _renew(self) -> None:
        """Hold the lease on. Whoever lost it was held for dead."""
        self._cluster.lease(UPLOADS, self._key, LEASE_S, held=True)
        self._renewed = time.monotonic()

    def _write(self, data: bytes) -> None:
        """Write at the end; where all is zero nothing is written, since that is what is read there."""
        image, end = self._opened(), self._written + len(data)
        if end > self._size:
            self._size = max(end, self._size + max(GROW, self._size))
            image.resize(self._size)
        if data and data != ZEROS[: len(data)]:
            image.write(self._written, data)
        self._written = end


class RbdRange:
    """A part of an image being read."""

    def __init__(self, store: RbdStore, key: str, image: RbdImage, part: range) -> None:
        """Made by `RbdStore.open` only."""
        self._store, self._key = store, key
        self._image: RbdImage | None = image
        self._cluster = store.cluster()
        self._next, self._end = part.start, max(part.stop, part.start)
        self._ahead = memoryview(b"")
        self._hangs = False

    def read(self, size: int = -1, /) -> bytes:
        """Give up to `size` bytes. Raises: Unavailable."""
        left = len(self._ahead) + self._end - self._next
        wanted = left if size is None or size < 0 else min(size, left)
        pieces: list[bytes | memoryview] = []
        while wanted:
            if not self._ahead:
                self._ahead = memoryview(self._fetch())
            piece, self._ahead = self._ahead[:wanted], self._ahead[wanted:]
            pieces.append(piece)
            wanted -= len(piece)
        return b"".join(pieces)

    def _fetch(self) -> bytes:
        if self._image is None:
            raise ValueError("the part is closed")
        with self._store.translated(of=self._cluster):
            try:
                data = self._image.read(self._next, min(PIECE, self._end - self._next))
            except OSError:
                self._hangs = True
                raise
        if not data:
            raise errors.Unavailable("The image store ended before all bytes had come.", what="the image store")
        self._next += len(data)
        return data

    def close(self) -> None:
        """Let go of the image, and remove it where it was deleted meanwhile. May be repeated."""
        image, self._image = self._image, None
        if image is None:
            return
        kept = self._hangs
        with contextlib.suppress(OSError):
            kept = kept or bool(image.is_protected(SNAPSHOT))
        let_go(image, hangs=self._hangs)
        try:
            for _ in range(0 if kept else CLOSINGS):  # another reader may do the same at this moment
                if self._store.remove(self._key):
                    break
                time.sleep(PAUSE_S * (1 + os.urandom(1)[0] / 256))
        except errors.NovaLiteError as error:
            LOG.warning("A deleted image's data stay for now: %s", error.message, extra={"action": "download"})


def let_go(image: RbdImage, *, hangs: bool = False) -> None:
    """Close an image; one that hangs apart, since nobody needs to wait for it."""

    def close() -> None:
        try:
            image.close()
        except OSError as error:
            LOG.warning("An image could not be closed: %s", _said(error), extra={"action": "store"})

    if hangs:
        threading.Thread(target=close, name="rbd-close", daemon=True).start()
    else:
        close()


def _clear(image: RbdImage) -> bool:
    """Take an image's snapshot away; False while others have the image open. Raises: Conflict when it has clones; OSError."""
    protected = image.is_protected(SNAPSHOT)
    if protected is None:
        return image.watchers() < 2
    if image.has_clones(SNAPSHOT):
        raise errors.Conflict(IN_USE)
    if protected:
        try:
            image.unprotect(SNAPSHOT)
        except OSError as error:
            if error.errno == errno.EBUSY:  # cloned since we looked
                raise errors.Conflict(IN_USE) from error
            if error.errno != errno.EINVAL:  # somebody else was first
                raise
    if image.watchers() > 1:
        return False
    image.unsnap(SNAPSHOT)
    return True


def _removed(cluster: Cluster, key: str) -> bool:
    """Remove an image without a snapshot; tell whether it is gone."""
    try:
        cluster.remove(key)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno in (errno.EBUSY, errno.ENOTEMPTY):
            return False
        raise
    return True


def _require_private(place: Place) -> None:
    """See that not everybody may read the key. Raises: PermissionError; OSError when it is not there."""
    if place.keyring is not None and place.keyring.stat().st_mode & 0o007:
        raise PermissionError(errno.EACCES, "the keyring may be read by others; chmod 640 it", str(place.keyring))


def _said(error: OSError) -> str:
    """Tell an error by its number's name; only files of the operator's have more words."""
    name = errno.errorcode.get(error.errno or 0, "an unknown error")
    return f"{name}: {error.filename}: {error.strerror}" if error.filename else name


def _away() -> errors.Unavailable:
    return errors.Unavailable("The image store does not work at the moment.", what="the image store")
