"""Fetching the files of a server from another host's door: in pieces over two connections, taken up again after any cut.

Two, so that one piece is written while another is on its way. What a cut left of a file is compared by hash, and kept where it
is right.
"""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import errno
import hashlib
import hmac
import http.client
import json
import logging
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from nova_lite.compute.moving import certificate
from nova_lite.compute.moving.door import CHUNK, PIECE
from nova_lite.image.client import Stopped
from nova_lite.model.ids import ServerId
from nova_lite.rpc.commands import MoveSource

LOG = logging.getLogger(__name__)
CONNECT_S = 5.0
READ_S = 60.0
WITHOUT_PROGRESS_S = 600.0
PAUSE_S = 1.0
TELL_S = 2.0
LANES = 2
MIB = 1 << 20
MANIFEST_BYTES = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9][\w.\-]{0,63}", re.ASCII)
_T = TypeVar("_T")
Tell = Callable[[int, int], None]  # bytes that are here, and all


class FetchError(Exception):
    """The files cannot be had."""

    def __init__(self, message: str, *, code: str = "fetch") -> None:
        """`message` is a sentence for the server's owner."""
        super().__init__(message)
        self.message = message
        self.code = code


class _Cut(Exception):
    """The connection broke, or never was; it may be tried again."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fetching:
    """How files are fetched. `rate_mib_s` 0: as fast as it goes."""

    rate_mib_s: int = 0
    without_progress_s: float = WITHOUT_PROGRESS_S
    pause_s: float = PAUSE_S


def silent(_done: int, _total: int) -> None:
    """Tell nobody."""


def fetch(
    source: MoveSource,
    server_id: ServerId,
    folder: Path,
    stop: threading.Event,
    tell: Tell = silent,
    *,
    how: Fetching = Fetching(),
) -> None:
    """Bring all files that a door offers of a server into a folder; those that are there whole stay.

    May be repeated: what came is kept. Raises: FetchError when the door refuses, or nothing came for too long; Stopped.
    """
    transfer = _Transfer(source, server_id, stop, tell, how)
    try:
        transfer.bring(folder)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise FetchError("The host's disk has no room for the server.", code="insufficient_storage") from error
    finally:
        transfer.close()


class _Lane:
    """A connection to a door, made when it is needed and made anew after a cut; used by one thread."""

    def __init__(self, source: MoveSource, server_id: ServerId) -> None:
        self._source = source
        self._path = f"/moves/{source.host}/{server_id}"
        self._connection: http.client.HTTPSConnection | None = None
        self._buffer = memoryview(bytearray(CHUNK))

    def close(self) -> None:
        """Let go of the connection. May be repeated."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def manifest(self) -> dict[str, int]:
        """Ask for the sizes of all files, in bytes. Raises: FetchError, and what `_ask` raises."""
        answer = self._ask("", {})
        data = answer.read(MANIFEST_BYTES)
        if answer.status != 200:
            raise _refused(answer.status)
        files = {str(one["name"]): int(one["size"]) for one in json.loads(data)["files"]}
        if not all(_NAME.fullmatch(name) for name in files):
            raise FetchError("The server's former host names files that it must not.", code="bad_source")
        return files

    def piece(self, file: int, name: str, first: int, end: int) -> int:
        """Have one piece in an open file; give how many bytes came. Raises: FetchError, and what `_ask` raises."""
        here = _here(file, first, end)
        headers = {"Range": f"bytes={first}-{end - 1}"}
        if here:
            headers["If-None-Match"] = f'"{hashlib.sha256(here).hexdigest()}"'
        answer = self._ask(f"/{name}", headers)
        empty = answer.getheader("X-Piece-Empty")
        if answer.status == 206 and empty is not None:
            answer.read()
            if empty != str(end - first):
                raise _Cut("a piece of another length")
            if here:
                _write(file, bytes(end - first), first)
            return 0
        if answer.status == 206:
            self._bring(answer, file, first, end)
            return end - first
        answer.read(MANIFEST_BYTES)
        if answer.status != 304:
            raise _refused(answer.status)
        return 0

    def _bring(self, answer: http.client.HTTPResponse, file: int, first: int, end: int) -> None:
        """Write a piece as it comes. Raises: _Cut when it is shorter or longer."""
        if answer.length != end - first:
            raise _Cut("a piece of another length")
        while first < end:
            count = answer.readinto(self._buffer[: end - first])
            if not count:
                raise _Cut("a piece that ended early")
            _write(file, self._buffer[:count], first)
            first += count

    def _ask(self, rest: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        """Send a request. Raises: OSError and HTTPException where the connection does not hold; FetchError."""
        connection = self._connection or self._connect()
        connection.request("GET", self._path + rest, headers={"Authorization": f"Bearer {self._source.token}"} | headers)
        return connection.getresponse()

    def _connect(self) -> http.client.HTTPSConnection:
        """Connect, and say nothing before the certificate is the one that is known. Raises: FetchError when it is another."""
        source = self._source
        connection = http.client.HTTPSConnection(
            source.address, source.port, timeout=CONNECT_S, context=certificate.client_context()
        )
        connection.connect()
        shown = connection.sock.getpeercert(binary_form=True) or b""
        if not hmac.compare_digest(hashlib.sha256(shown).hexdigest(), source.fingerprint):
            connection.close()
            raise FetchError("The server's former host shows another certificate than it told of.", code="bad_source")
        connection.sock.settimeout(READ_S)
        self._connection = connection
        return connection


class _Transfer:
    """One fetching through any number of connections."""

    def __init__(self, source: MoveSource, server_id: ServerId, stop: threading.Event, tell: Tell, how: Fetching) -> None:
        self._lanes = [_Lane(source, server_id) for _ in range(LANES)]
        self._stop = stop
        self._tell = tell
        self._how = how
        self._lock = threading.Lock()
        self._done = self._total = self._fetched = 0
        self._began = self._told = time.monotonic()

    def bring(self, folder: Path) -> None:
        """Bring all."""
        files = self._until(self._lanes[0], self._lanes[0].manifest)
        self._total = sum(files.values())
        folder.mkdir(parents=True, exist_ok=True)
        with concurrent.futures.ThreadPoolExecutor(LANES, thread_name_prefix="fetch") as pool:
            for name, size in files.items():
                self._bring_file(pool, folder, name, size)
        self._tell(self._done, self._total)

    def close(self) -> None:
        """Let go of the connections."""
        for lane in self._lanes:
            lane.close()

    def _bring_file(self, pool: concurrent.futures.Executor, folder: Path, name: str, size: int) -> None:
        target, part = folder / name, folder / f".{name}.part"
        if target.exists() and target.stat().st_size == size:
            self._done += size
            return
        part.touch(mode=0o600)
        with part.open("r+b") as file:
            file.truncate(size)
            pieces = collections.deque((first, min(first + PIECE, size)) for first in range(0, size, PIECE))
            lanes = [pool.submit(self._bring_pieces, lane, file.fileno(), name, pieces) for lane in self._lanes]
            concurrent.futures.wait(lanes)  # all, also after a failure: the file's number would be another's once it is closed
            for lane in lanes:
                lane.result()
            os.fsync(file.fileno())
        part.rename(target)

    def _bring_pieces(self, lane: _Lane, file: int, name: str, pieces: collections.deque[tuple[int, int]]) -> None:
        """Bring pieces as long as there are any; who cannot leaves none for the others."""
        try:
            while (piece := _next(pieces)) is not None:
                first, end = piece
                fetched = self._until(lane, lambda first=first, end=end: lane.piece(file, name, first, end))  # type: ignore[misc]
                self._count(end - first, fetched)
        finally:
            pieces.clear()

    def _until(self, lane: _Lane, act: Callable[[], _T]) -> _T:
        """Do something until the connection holds for it."""
        since = time.monotonic()
        while True:
            if self._stop.is_set():
                raise Stopped
            try:
                return act()
            except (_Cut, OSError, http.client.HTTPException) as error:
                if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise
                lane.close()
                if time.monotonic() - since > self._how.without_progress_s:
                    raise FetchError("The server's former host does not give its disks.", code="no_source") from error
                LOG.info("A connection to another host's door broke: %s", type(error).__name__)
                if self._stop.wait(self._how.pause_s):
                    raise Stopped from error

    def _count(self, done: int, fetched: int) -> None:
        """Tell of progress, and keep to the rate."""
        with self._lock:
            now = time.monotonic()
            self._done += done
            self._fetched += fetched
            ahead = self._fetched / (self._how.rate_mib_s * MIB) - (now - self._began) if self._how.rate_mib_s else 0.0
            if now - self._told >= TELL_S:
                self._told = now
                self._tell(self._done, self._total)
        if ahead > 0 and self._stop.wait(ahead):
            raise Stopped


def _next(pieces: collections.deque[tuple[int, int]]) -> tuple[int, int] | None:
    """Take a piece; None when another took the last one."""
    try:
        return pieces.popleft()
    except IndexError:
        return None


def _here(file: int, first: int, end: int) -> bytes:
    """Read what an earlier try left of a piece; nothing where it left a hole."""
    try:
        if os.lseek(file, first, os.SEEK_DATA) >= end:
            return b""
    except OSError as error:
        if error.errno != errno.ENXIO:  # no data from here to the end
            raise
        return b""
    return os.pread(file, end - first, first)


def _write(file: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of it."""
    while data:
        count = os.pwrite(file, data, offset)
        data, offset = data[count:], offset + count


def _refused(status: int) -> FetchError:
    return FetchError(f"The server's former host refuses to give its disks ({status}).", code="no_source")
