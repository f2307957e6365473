"""Fetching the files of a server from another host's door: piece by piece, each checked, taken up again after any cut."""

from __future__ import annotations

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
from typing import IO, TypeVar

from nova_lite.compute.moving import certificate
from nova_lite.compute.moving.door import PIECE
from nova_lite.image.client import Stopped
from nova_lite.model.ids import ServerId
from nova_lite.rpc.commands import MoveSource

LOG = logging.getLogger(__name__)
CONNECT_S = 5.0
READ_S = 60.0
WITHOUT_PROGRESS_S = 600.0
PAUSE_S = 1.0
TELL_S = 2.0
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


class _Transfer:
    """One fetching through any number of connections."""

    def __init__(self, source: MoveSource, server_id: ServerId, stop: threading.Event, tell: Tell, how: Fetching) -> None:
        self._source = source
        self._path = f"/moves/{source.host}/{server_id}"
        self._stop = stop
        self._tell = tell
        self._how = how
        self._connection: http.client.HTTPSConnection | None = None
        self._done = self._total = self._fetched = 0
        self._began = self._told = time.monotonic()

    def bring(self, folder: Path) -> None:
        """Bring all."""
        files = self._until(self._manifest)
        self._total = sum(files.values())
        folder.mkdir(parents=True, exist_ok=True)
        for name, size in files.items():
            self._bring_file(folder, name, size)
        self._tell(self._done, self._total)

    def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _bring_file(self, folder: Path, name: str, size: int) -> None:
        target, part = folder / name, folder / f".{name}.part"
        if target.exists() and target.stat().st_size == size:
            self._done += size
            return
        part.touch(mode=0o600)
        with part.open("r+b") as file:
            for first in range(0, size, PIECE):
                self._until(lambda first=first: self._piece(file, name, first, min(first + PIECE, size)))  # type: ignore[misc]
            file.truncate(size)
            file.flush()
            os.fsync(file.fileno())
        part.rename(target)

    def _until(self, act: Callable[[], _T]) -> _T:
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
                self.close()
                if time.monotonic() - since > self._how.without_progress_s:
                    raise FetchError("The server's former host does not give its disks.", code="no_source") from error
                LOG.info("A connection to another host's door broke: %s", type(error).__name__)
                if self._stop.wait(self._how.pause_s):
                    raise Stopped from error

    def _manifest(self) -> dict[str, int]:
        answer, data = self._ask("", {})
        if answer.status != 200:
            raise _refused(answer.status)
        files = {str(one["name"]): int(one["size"]) for one in json.loads(data)["files"]}
        if not all(_NAME.fullmatch(name) for name in files):
            raise FetchError("The server's former host names files that it must not.", code="bad_source")
        return files

    def _piece(self, file: IO[bytes], name: str, first: int, end: int) -> None:
        """Have one piece in the file; one that was here before is only compared."""
        file.seek(first)
        here = file.read(end - first)
        headers = {"Range": f"bytes={first}-{end - 1}"}
        if len(here) == end - first:
            headers["If-None-Match"] = f'"{hashlib.sha256(here).hexdigest()}"'
        answer, data = self._ask(f"/{name}", headers)
        if answer.status == 206:
            self._write(file, first, end, answer, data)
        elif answer.status != 304:
            raise _refused(answer.status)
        self._done += end - first
        self._count(len(data))

    def _write(self, file: IO[bytes], first: int, end: int, answer: http.client.HTTPResponse, data: bytes) -> None:
        empty = answer.getheader("X-Piece-Empty")
        digest = hashlib.sha256(data if empty is None else bytes(end - first)).hexdigest()
        if (empty is None and len(data) != end - first) or digest != answer.getheader("X-Piece-SHA256"):
            raise _Cut("a piece is damaged")
        if empty is None:
            file.seek(first)
            file.write(data)
            return
        file.truncate(first)  # a hole, whatever an earlier try had left behind it
        file.truncate(end)

    def _ask(self, rest: str, headers: dict[str, str]) -> tuple[http.client.HTTPResponse, bytes]:
        connection = self._connection or self._connect()
        connection.request("GET", self._path + rest, headers={"Authorization": f"Bearer {self._source.token}"} | headers)
        answer = connection.getresponse()
        data = answer.read(PIECE + MANIFEST_BYTES)
        return answer, data

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

    def _count(self, fetched: int) -> None:
        """Tell of progress, and keep to the rate."""
        self._fetched += fetched
        now = time.monotonic()
        if now - self._told >= TELL_S:
            self._told = now
            self._tell(self._done, self._total)
        if self._how.rate_mib_s:
            ahead = self._fetched / (self._how.rate_mib_s * MIB) - (now - self._began)
            if ahead > 0 and self._stop.wait(ahead):
                raise Stopped


def _refused(status: int) -> FetchError:
    return FetchError(f"The server's former host refuses to give its disks ({status}).", code="no_source")
