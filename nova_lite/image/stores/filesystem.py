"""Images as files: `kept/<key>` when finished, `incoming/<key>` before.

A writer holds a lock on its file (flock), which the kernel drops when the process dies: so leftovers are told from uploads
that run in another process without any clock. The lock goes with the file when it is renamed, and is let go of by `close`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from nova_lite import errors
from nova_lite.image.stores.base import KEY, Swept

LOG = logging.getLogger(__name__)
SCHEME = "file"
INCOMING, KEPT = "incoming", "kept"
CHECK_EVERY = 64 << 20  # bytes between two looks at the free space
RESERVE_AT_MOST = 1 << 30  # bytes left free for what else is on the file system; 5 % of small ones
ORPHAN_AGE_S = 60.0  # the record follows a file's name at once; a commit that takes longer has failed
FULL = (errno.ENOSPC, errno.EDQUOT)


class FilesystemStore:
    """A folder."""

    type = SCHEME
    read_only = False
    description = "Files in a folder of this cloud's control node"

    def __init__(self, root: Path, free_bytes: Callable[[Path], int] | None = None, *, name: str = SCHEME) -> None:
        """`free_bytes` tells how much may still be written to a folder; by default the file system's, less a reserve."""
        self.name = name
        self._root = root
        self._free_bytes = free_bytes or _free_bytes

    def begin(self, key: str, expected_bytes: int | None) -> FileWriting:
        """Start an upload. Raises: InsufficientStorage when `expected_bytes` do not fit; Unavailable."""
        with _translated():
            for folder in (INCOMING, KEPT):
                (self._root / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
        self.require_room(expected_bytes or 0)
        return FileWriting(self, self._path(INCOMING, key), self._path(KEPT, key), self._location(key))

    def require_room(self, needed: int) -> None:
        """Do nothing when `needed` bytes fit. Raises: InsufficientStorage; Unavailable."""
        with _translated():
            free = self._free_bytes(self._root)
        if needed > free or free <= 0:
            raise errors.InsufficientStorage(f"The image store is full: {max(free, 0)} bytes are free, {needed} are needed.")

    def is_alive(self, key: str) -> bool:
        """Whether a process holds the lock of an upload."""
        return any(_is_locked(self._path(folder, key)) for folder in (INCOMING, KEPT))

    def open(self, location: str, start: int, length: int) -> FileRange:
        """Open a part of a file. Raises: NotFound; Unavailable."""
        with _translated(lookup=True):
            return FileRange(self._locate(location), start, length)

    def size(self, location: str) -> int:
        """Give a file's size. Raises: NotFound; Unavailable."""
        with _translated(lookup=True):
            return self._locate(location).stat().st_size

    def delete(self, location: str) -> None:
        """Remove a file. May be repeated. Raises: Unavailable."""
        with _translated():
            self._locate(location).unlink(missing_ok=True)

    def sweep(self, kept: Collection[str]) -> Swept:
        """Remove files without a living writer: every one in `incoming`, and old ones in `kept` that no record names."""
        leftovers = sum(_remove_abandoned(path, 0.0) for path in self._files(INCOMING))
        orphans = sum(_remove_abandoned(path, ORPHAN_AGE_S) for path in self._unnamed(kept))
        return Swept(leftovers=leftovers, orphans=orphans)

    def list_strays(self, kept: Collection[str]) -> list[str]:
        """Name the files that a sweep would remove, by folder and key. Raises: Unavailable."""
        return [f"{path.parent.name}/{path.name}" for path, age_s in self._strays(kept) if _is_abandoned(path, age_s)]

    def remove_stray(self, name: str, kept: Collection[str]) -> bool:
        """Remove one such file; tell whether it was there and a stray still. Raises: Unavailable."""
        found = [(path, age_s) for path, age_s in self._strays(kept) if f"{path.parent.name}/{path.name}" == name]
        return any(_remove_abandoned(path, age_s) for path, age_s in found)

    def _strays(self, kept: Collection[str]) -> list[tuple[Path, float]]:
        incoming = [(path, 0.0) for path in self._files(INCOMING)]
        return incoming + [(path, ORPHAN_AGE_S) for path in self._unnamed(kept)]

    def _unnamed(self, kept: Collection[str]) -> list[Path]:
        return [path for path in self._files(KEPT) if self._location(path.name) not in kept]

    def _files(self, folder: str) -> list[Path]:
        with _translated():
            place = self._root / folder
            return [path for path in place.iterdir() if KEY.fullmatch(path.name)] if place.exists() else []

    def _path(self, folder: str, key: str) -> Path:
        if not KEY.fullmatch(key):
            raise ValueError("not a key")  # ours to mend: keys are made of ids, never of what users say
        return self._root / folder / key

    def _locate(self, location: str) -> Path:
        name, _, key = location.partition(":")
        if name != self.name or not KEY.fullmatch(key):
            raise errors.NotFound("The image's data are in another store.")
        return self._path(KEPT, key)

    def _location(self, key: str) -> str:
        return f"{self.name}:{key}"


class FileWriting:
    """A file that grows."""

    def __init__(self, store: FilesystemStore, incoming: Path, kept: Path, location: str) -> None:
        """Made by `FilesystemStore.begin` only. Raises: InsufficientStorage, Unavailable."""
        self._store = store
        self._location = location
        self._incoming, self._kept = incoming, kept
        self._finalized = False
        self._unchecked = 0
        with _translated():
            self._descriptor: int | None = os.open(incoming, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def append(self, data: bytes) -> None:
        """Write bytes. Raises: InsufficientStorage, Unavailable."""
        self._unchecked += len(data)
        if self._unchecked >= CHECK_EVERY:
            self._store.require_room(len(data))
            self._unchecked = 0
        rest = memoryview(data)
        with _translated():
            while rest:
                rest = rest[os.write(self._open(), rest) :]

    def finalize(self) -> str:
        """Bring the file to the disk, then give it its name. Raises: InsufficientStorage, Unavailable."""
        with _translated():
            os.fsync(self._open())
            os.rename(self._incoming, self._kept)
            self._finalized = True
            for folder in (self._kept.parent, self._incoming.parent):
                _fsync_folder(folder)
        return self._location

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
            os.close(descriptor)

    def _open(self) -> int:
        if self._descriptor is None:
            raise ValueError("the upload has ended")
        return self._descriptor


class FileRange:
    """A part of a file, from its present position on."""

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
        data = self._file.read(wanted) if wanted else b""
        self._left -= len(data)
        return data

    def close(self) -> None:
        """Close the file. May be repeated."""
        self._file.close()


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


def _is_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
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
