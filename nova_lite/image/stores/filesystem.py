"""Images as files: `kept/<key>` when finished, `incoming/<key>` before; `partial/<key>` while they come by parts.

All of these are in one of a store's folders. A location does not say in which: whoever looks asks them in turn, so that
the operator may move a file to another one.

A writer holds a lock on its file (flock), which the kernel drops when the process dies: so leftovers are told from uploads
that run in another process without any clock. The lock goes with the file when it is renamed, and is let go of by `close`.

On NFS a machine remembers for up to a minute which names a folder has and lacks: a file that seems to be missing is looked
for once more after the folder was asked for anew. A server that does not hear of a machine lets others have its locks: so a
lock is taken once more before its file gets its name.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import logging
import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from nova_lite import errors
from nova_lite.image.stores.base import KEY, PARTS_AGE_S, Swept, checked, key_in

T = TypeVar("T")
LOG = logging.getLogger(__name__)
SCHEME = "file"
INCOMING, KEPT, PARTIAL = "incoming", "kept", "partial"
REREAD = 1 << 20
CHECK_EVERY = 64 << 20  # bytes between two looks at the free space
RESERVE_AT_MOST = 1 << 30  # bytes left free for what else is on the file system; 5 % of small ones
ORPHAN_AGE_S = 60.0  # the record follows a file's name at once; a commit that takes longer has failed
FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclasses.dataclass(frozen=True)
class Folder:
    """A folder of a store. Of those where an image fits, one of the greatest weight is taken: the one with most free space."""

    path: Path
    weight: int = 0


class _Folders:
    """Where a store keeps its files: which folder the next one goes to, and what lies in all of them."""

    def __init__(self, folders: Sequence[Folder], free_bytes: Callable[[Path], int]) -> None:
        self.roots = [folder.path for folder in sorted(folders, key=lambda folder: -folder.weight)]
        self._weights = {folder.path: folder.weight for folder in folders}
        self._free_bytes = free_bytes

    def choose(self, needed: int) -> Path:
        """Give the folder for an upload; one that does not work is passed over. Raises: InsufficientStorage; Unavailable."""
        free: dict[Path, int] = {}
        refused: errors.NovaLiteError | None = None
        for root in self.roots:
            try:
                free[root] = self._prepare(root)
            except (errors.Unavailable, errors.InsufficientStorage) as error:
                refused = refused or error
        fitting = [root for root, size in free.items() if size > 0 and size >= needed]
        if fitting:
            return max(fitting, key=lambda root: (self._weights[root], free[root]))
        if refused is not None:  # that one might have had the room
            raise refused
        raise _full(max(free.values()), needed)

    def _prepare(self, root: Path) -> int:
        """Have a folder ready, and give what may be written to it."""
        with _translated():
            for folder in (INCOMING, KEPT, PARTIAL):
                retried(lambda folder=folder: (root / folder).mkdir(parents=True, exist_ok=True, mode=0o700))
            return retried(lambda: self._free_bytes(root))

    def require_room(self, root: Path, needed: int) -> None:
        """Do nothing when `needed` bytes fit. Raises: InsufficientStorage; Unavailable."""
        with _translated():
            free = retried(lambda: self._free_bytes(root))
        if needed > free or free <= 0:
            raise _full(free, needed)

    def files(self, folder: str) -> list[Path]:
        """List the files in the folders of a name. Raises: Unavailable."""
        with _translated():
            places = [root / folder for root in self.roots]
            listed = [retried(lambda place=place: list(place.iterdir())) for place in places if place.exists()]
        return [path for paths in listed for path in paths if KEY.fullmatch(path.name)]

    def places(self, key: str, folders: Sequence[str]) -> list[Path]:
        """Give everywhere that a file may be."""
        return [root / folder / key for root in self.roots for folder in folders]


class FilesystemStore:
    """One folder, or several."""

    type = SCHEME
    read_only = False
    description = "Files in a folder of this cloud's control node"

    def __init__(
        self, root: Path | Sequence[Folder], free_bytes: Callable[[Path], int] | None = None, *, name: str = SCHEME
    ) -> None:
        """`free_bytes` tells how much may still be written to a folder; by default the file system's, less a reserve."""
        self.name = name
        self._folders = _Folders([Folder(root)] if isinstance(root, Path) else root, free_bytes or _free_bytes)

    def begin(self, key: str, expected_bytes: int | None) -> FileWriting:
        """Start an upload. Raises: InsufficientStorage when `expected_bytes` fit nowhere; Unavailable."""
        root = self._folders.choose(expected_bytes or 0)
        return FileWriting(self._place(root, INCOMING, key))

    def take_up(self, key: str, missing_bytes: int | None, *, fresh: bool) -> PartFile | None:
        """Open a half upload, or begin one. Raises: Conflict; InsufficientStorage; Unavailable."""
        for root in (self._folders.choose(missing_bytes or 0),) if fresh else self._folders.roots:
            with contextlib.suppress(FileNotFoundError):
                half = PartFile(self._place(root, PARTIAL, key), fresh=fresh)
                try:
                    self._folders.require_room(root, missing_bytes or 0)
                except errors.NovaLiteError:
                    half.suspend()
                    raise
                return half
        return None

    def drop_parts(self, key: str) -> None:
        """Remove a half upload. May be repeated. Raises: Unavailable."""
        with _translated():
            for path in self._folders.places(key, (PARTIAL,)):
                _remove(path)

    def _place(self, root: Path, folder: str, key: str) -> Place:
        """Say where the file of an upload grows and lies then."""
        return Place(
            growing=root / folder / checked(key),
            kept=root / KEPT / key,
            location=self._location(key),
            require_room=lambda needed: self._folders.require_room(root, needed),
        )

    def is_alive(self, key: str) -> bool:
        """Whether a process holds the lock of an upload. Raises: Unavailable when none says so and a folder does not work."""
        checked(key)
        with _translated():
            return any(
                retried(lambda path=path: _is_locked(path)) for path in self._folders.places(key, (INCOMING, KEPT, PARTIAL))
            )

    def open(self, location: str, start: int, length: int) -> FileRange:
        """Open a part of a file. Raises: NotFound; Unavailable."""
        return self._first(location, lambda path: FileRange(path, start, length))

    def size(self, location: str) -> int:
        """Give a file's size. Raises: NotFound; Unavailable."""
        return self._first(location, lambda path: path.stat().st_size)

    def delete(self, location: str) -> None:
        """Remove a file. May be repeated. Raises: Unavailable."""
        with _translated():
            for path in self._folders.places(key_in(location, self.name), (KEPT,)):
                _remove(path)

    def _first(self, location: str, look: Callable[[Path], T]) -> T:
        """Look in each folder for a file. Raises: NotFound when all say that it is not there; Unavailable."""
        away: OSError | None = None
        for path in self._folders.places(key_in(location, self.name), (KEPT,)):
            try:
                return retried(lambda path=path: look(path))
            except FileNotFoundError:
                continue
            except OSError as error:
                away = error
        with _translated(lookup=True):
            raise away or FileNotFoundError(location)

    def sweep(self, kept: Collection[str]) -> Swept:
        """Remove files without a living writer: all in `incoming`, old ones in `partial`, and in `kept` without a record."""
        leftovers = sum(_remove_abandoned(path, 0.0) for path in self._folders.files(INCOMING))
        halves = tuple(path.name for path, age_s in self._halves(kept) if _remove_abandoned(path, age_s))
        orphans = sum(_remove_abandoned(path, ORPHAN_AGE_S) for path in self._unnamed(kept))
        return Swept(leftovers=leftovers + len(halves), orphans=orphans, halves=halves)

    def list_strays(self, kept: Collection[str]) -> list[str]:
        """Name the files that a sweep would remove, by folder and key. Raises: Unavailable."""
        return [f"{path.parent.name}/{path.name}" for path, age_s in self._strays(kept) if _is_abandoned(path, age_s)]

    def remove_stray(self, name: str, kept: Collection[str]) -> bool:
        """Remove one such file; tell whether it was there and a stray still. Raises: Unavailable."""
        found = [(path, age_s) for path, age_s in self._strays(kept) if f"{path.parent.name}/{path.name}" == name]
        return any([_remove_abandoned(path, age_s) for path, age_s in found])

    def _strays(self, kept: Collection[str]) -> list[tuple[Path, float]]:
        incoming = [(path, 0.0) for path in self._folders.files(INCOMING)]
        return incoming + self._halves(kept) + [(path, ORPHAN_AGE_S) for path in self._unnamed(kept)]

    def _halves(self, kept: Collection[str]) -> list[tuple[Path, float]]:
        """Give the half uploads, each with the age that makes it a stray."""
        return [(path, PARTS_AGE_S if path.name in kept else ORPHAN_AGE_S) for path in self._folders.files(PARTIAL)]

    def _unnamed(self, kept: Collection[str]) -> Iterator[Path]:
        """Give finished files that no record names at that moment, one after another."""
        yield from (path for path in self._folders.files(KEPT) if self._location(path.name) not in kept)

    def _location(self, key: str) -> str:
        return f"{self.name}:{key}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """Where a file grows and lies then. `require_room` raises InsufficientStorage where so many bytes more do not fit."""

    growing: Path
    kept: Path
    location: str
    require_room: Callable[[int], None]


class FileWriting:
    """A file that grows."""

    def __init__(self, place: Place) -> None:
        """Made by `FilesystemStore.begin` only. Raises: InsufficientStorage, Unavailable."""
        self._require_room = place.require_room
        self._location = place.location
        self._incoming, self._kept = place.growing, place.kept
        self._finalized = False
        self._unchecked = 0
        self._descriptor: int | None = self._lock_file()

    def _lock_file(self) -> int:
        """Make the file and take its lock; give its descriptor."""
        with _translated():
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            descriptor = retried(lambda: os.open(self._incoming, flags, 0o600))
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor

    def append(self, data: bytes) -> None:
        """Write bytes. Raises: InsufficientStorage, Unavailable."""
        self._unchecked += len(data)
        if self._unchecked >= CHECK_EVERY:
            self._require_room(len(data))
            self._unchecked = 0
        rest = memoryview(data)
        with _translated():
            while rest:
                rest = rest[os.write(self._open(), rest) :]

    def finalize(self) -> str:
        """Bring the file to the disk, then give it its name. Raises: InsufficientStorage, Unavailable."""
        with _translated():
            os.fsync(self._open())
            self._hold()
            self._rename()
            self._finalized = True
            for folder in (self._kept.parent, self._incoming.parent):
                retried(lambda folder=folder: _fsync_folder(folder))
        return self._location

    def _hold(self) -> None:
        """Take the lock again, which changes nothing while we have it. Raises: OSError when it is another's by now."""
        fcntl.flock(self._open(), fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _rename(self) -> None:
        """Give the file its name. Where the answer is lost, NFS sends the call again, and that one finds nothing to rename."""
        mine = os.fstat(self._open())
        try:
            retried(lambda: os.rename(self._incoming, self._kept))
        except FileNotFoundError:
            there = retried(self._kept.stat)
            if (there.st_dev, there.st_ino) != (mine.st_dev, mine.st_ino):
                raise

    def close(self) -> None:
        """Remove the file unless it is finalized, and let go of its lock. May be repeated."""
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        try:
            if not self._finalized:
                self._incoming.unlink(missing_ok=True)
        except OSError:
            LOG.warning("A cut upload could not be removed; the next start will.", exc_info=True, extra={"action": "upload"})
        finally:
            with contextlib.suppress(OSError):  # NFS writes at the end, and fails then; but nobody wants those bytes
                os.close(descriptor)

    def _open(self) -> int:
        if self._descriptor is None:
            raise ValueError("the upload has ended")
        return self._descriptor


class PartFile(FileWriting):
    """A file that grows by parts, each by another process perhaps."""

    def __init__(self, place: Place, *, fresh: bool) -> None:
        """Made by `FilesystemStore.take_up` only. Raises: FileNotFoundError; Conflict; Unavailable."""
        self._fresh = fresh
        super().__init__(place)
        with _translated():
            self.size = os.lseek(self._open(), 0, os.SEEK_END)

    def _lock_file(self) -> int:
        """Open the file, which must be there unless it is new, and take its lock."""
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT | os.O_EXCL if self._fresh else 0)
        try:
            descriptor = retried(lambda: os.open(self._incoming, flags, 0o600))
        except FileNotFoundError:
            if not self._fresh:
                raise
            raise errors.Unavailable("The image store's folder is gone.", what="the image store") from None
        except OSError as error:
            with _translated():
                raise error
        held = False
        try:
            held = self._take(descriptor)
        finally:
            if not held:
                os.close(descriptor)
        if not held:
            raise FileNotFoundError
        return descriptor

    def _take(self, descriptor: int) -> bool:
        """Take the lock, unless the file ended before we had it: then its name is gone. Raises: Conflict; Unavailable."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _ask_anew(self._incoming.parent)
            return os.stat(self._incoming).st_ino == os.fstat(descriptor).st_ino
        except BlockingIOError as error:
            raise errors.Conflict("Another client sends this upload at the moment.") from error
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ESTALE):  # of a file that is gone the handle is stale
                return False
            with _translated():
                raise error

    def _hold(self) -> None:
        """Take the lock again. Raises: OSError when it is another's by now, or when one has sent more meanwhile."""
        super()._hold()
        if os.fstat(self._open()).st_size != self.size:
            raise OSError(errno.ESTALE, "another machine has written to this upload")

    def append(self, data: bytes) -> None:
        """Write bytes at the end. Raises: InsufficientStorage, Unavailable."""
        super().append(data)
        self.size += len(data)

    def reread(self, start: int) -> Iterator[bytes]:
        """Give what is in the file from `start` on. Raises: Unavailable."""
        while start < self.size:
            with _translated():
                data = os.pread(self._open(), min(REREAD, self.size - start), start)
            if not data:
                raise errors.Unavailable("The image store lost bytes.", what="the image store")
            start += len(data)
            yield data

    def suspend(self) -> None:
        """Let go of the file and keep it. May be repeated. Raises: InsufficientStorage, Unavailable: NFS writes at the end."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            with _translated():
                os.close(descriptor)


class FileRange:
    """A part of a file, from its present position on. Reading raises Unavailable when the file system fails."""

    def __init__(self, path: Path, start: int, length: int) -> None:
        """Opens the file."""
        self._file = path.open("rb", buffering=0)
        self._file.seek(start)
        self._left = length
        self.fileno = self._file.fileno
        self.tell = self._file.tell
        self.seek = self._file.seek

    def read(self, size: int = -1, /) -> bytes:
        """Give up to `size` bytes of the part."""
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        with _translated():
            data = self._file.read(wanted) if wanted else b""
        self._left -= len(data)
        return data

    def close(self) -> None:
        """Close the file. May be repeated."""
        self._file.close()


def retried(call: Callable[[], T]) -> T:
    """Do something again, once, where NFS' client may have gone by what it remembers of a file.

    After a stale handle it looks the path up anew by itself. Of a name that it has missed before it says that it is missing,
    until it has asked for the folder anew.
    """
    try:
        return call()
    except FileNotFoundError as error:
        if not error.filename:
            raise
        with contextlib.suppress(OSError):
            _ask_anew(Path(error.filename).parent)
        return call()
    except OSError as error:
        if error.errno != errno.ESTALE:
            raise
        return call()


def _ask_anew(folder: Path) -> None:
    """Have NFS' client ask its server whether a folder has changed, which it does whenever one is opened."""
    os.close(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))


def _full(free: int, needed: int) -> errors.InsufficientStorage:
    return errors.InsufficientStorage(f"The image store is full: {max(free, 0)} bytes are free, {needed} are needed.")


@contextlib.contextmanager
def _translated(*, lookup: bool = False) -> Iterator[None]:
    """Make our errors of the operating system's; in a lookup, what is missing is NotFound."""
    try:
        yield
    except OSError as error:
        if lookup and isinstance(error, FileNotFoundError):
            raise errors.NotFound("The image's data are not in the store.") from error
        if error.errno in FULL:
            raise errors.InsufficientStorage("The image store is full.") from error
        LOG.error("The image store does not work: %s", error, extra={"action": "store"})
        raise errors.Unavailable("The image store does not work at the moment.", what="the image store") from error


def _free_bytes(folder: Path) -> int:
    """Give what may be written; a reserve stays free, since other things need space too."""
    found = os.statvfs(folder)
    reserve = min(RESERVE_AT_MOST, found.f_blocks * found.f_frsize // 20)
    return found.f_bavail * found.f_frsize - reserve


def _remove(path: Path) -> None:
    """Remove a file if it is there. Raises: OSError."""
    with contextlib.suppress(FileNotFoundError):
        retried(path.unlink)


def _is_locked(path: Path) -> bool:
    try:
        descriptor = retried(lambda: os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _remove_abandoned(path: Path, age_s: float) -> bool:
    """Remove a file that nobody writes and that has had its name for `age_s`; tell whether it was."""
    try:
        if not _is_abandoned(path, age_s):
            return False
        path.unlink()
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            LOG.warning("A leftover of an upload could not be removed: %s", error, extra={"action": "sweep"})
        return False
    return True


def _is_abandoned(path: Path, age_s: float) -> bool:
    """Whether nobody writes a file that has had its name for `age_s`; one that is gone is not."""
    try:
        return time.time() - path.stat().st_ctime >= age_s and not _is_locked(path)
    except FileNotFoundError:
        return False


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
