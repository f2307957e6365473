"""How a host gets an image: with the ticket of its command, over plain HTTP, resumed after any cut, checked while it streams.

Used by compute hosts, so it imports no records. The target appears whole and right, or not at all: bytes gather in
`.<name>.part` beside it, and a later call, also by another process, goes on where the last one ended.
"""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import http.client
import os
import ssl
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from nova_lite import errors
from nova_lite.model.image import ImageSource

TICKET_HEADER = "X-Image-Ticket"
PIECE = 1 << 20
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class ImageDamaged(errors.Conflict):
    """The image's data are not what was recorded."""

    code = "image_damaged"


STOPS_TRYING: dict[int, type[errors.NovaLiteError]] = {
    401: errors.Unauthorized,
    403: errors.Forbidden,
    404: errors.NotFound,
    410: errors.Gone,
    416: ImageDamaged,  # it is shorter than was recorded
}


class Stopped(errors.NovaLiteError):
    """The download was stopped."""

    code = "stopped"


class _Cut(Exception):
    """The transfer ended early; it may be resumed. `wait_s`: as the server asked."""

    def __init__(self, why: str, wait_s: float = 1.0) -> None:
        self.why = why
        self.wait_s = wait_s
        super().__init__(why)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to wait: for a connection, for the next bytes, and in all without any progress."""

    connect_s: float = 5.0
    read_s: float = 30.0
    without_progress_s: float = 300.0
    pause_s: float = 1.0


def download(
    source: ImageSource,
    target: Path,
    stop: threading.Event,
    *,
    patience: Patience = Patience(),
    ca_file: Path | None = None,
) -> None:
    """Bring an image to `target`, which must not exist. One call at a time for a target.

    Raises: ImageDamaged when size or hash are wrong (nothing is kept); Unavailable when nothing came for too long (what came
    is kept for the next call); Unauthorized, Forbidden, NotFound, Gone as the image service says; InsufficientStorage when
    the disk is full (nothing is kept); Stopped.
    """
    part = target.with_name(f".{target.name}.part")
    transfer = _Transfer(source, stop, patience, ca_file)
    try:
        with part.open("ab+") as file:
            transfer.gather(file)
            os.fsync(file.fileno())
        part.rename(target)
        _fsync_folder(target.parent)
    except OSError as error:
        if error.errno not in FULL:
            raise errors.Unavailable("The image cannot be written to this host's disk.", what="the host's disk") from error
        part.unlink(missing_ok=True)
        raise errors.InsufficientStorage("The host's disk has no room for the image.") from error
    except errors.NovaLiteError as error:
        if not isinstance(error, errors.Unavailable | errors.Unauthorized | Stopped):
            part.unlink(missing_ok=True)
        raise


class _Transfer:
    """One download through any number of connections."""

    def __init__(self, source: ImageSource, stop: threading.Event, patience: Patience, ca_file: Path | None) -> None:
        self._source = source
        self._stop = stop
        self._patience = patience
        self._ca_file = ca_file
        self._hash = hashlib.sha512()
        self._size = 0

    def gather(self, file: IO[bytes]) -> None:
        """Fill the file until it is whole, and check it."""
        self._take_up(file)
        progress = time.monotonic()
        while self._size < self._source.size_bytes:
            had = self._size
            try:
                self._fetch(file)
            except _Cut as cut:
                if self._size > had:
                    progress = time.monotonic()
                if time.monotonic() - progress > self._patience.without_progress_s:
                    raise errors.Unavailable(f"The image cannot be downloaded: {cut.why}.", what="the image service") from cut
                self._pause(cut.wait_s)
        file.flush()
        if self._hash.hexdigest() != self._source.sha512:
            raise ImageDamaged("The downloaded image does not have the recorded hash.")

    def _take_up(self, file: IO[bytes]) -> None:
        """Hash what an earlier call left."""
        file.seek(0)
        while data := file.read(PIECE):
            self._check_stop()
            self._hash.update(data)
            self._size += len(data)
        if self._size > self._source.size_bytes:
            self._start_over(file)

    def _start_over(self, file: IO[bytes]) -> None:
        file.truncate(0)
        self._hash = hashlib.sha512()
        self._size = 0

    def _fetch(self, file: IO[bytes]) -> None:
        """Use one connection. Raises: _Cut; what the service says."""
        connection = connection_to(self._source.url, self._patience, self._ca_file)
        try:
            response = self._ask(connection)
            if response.status == 200:
                self._start_over(file)  # a service that knows no ranges
            for data in self._pieces(response):
                self._check_stop()
                file.write(data)
                self._hash.update(data)
                self._size += len(data)
        finally:
            connection.close()
        if self._size > self._source.size_bytes:
            raise ImageDamaged("The image service sent more bytes than were recorded.")

    def _ask(self, connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
        """Ask for what is missing. Redirects are not followed: the ticket is for one address."""
        self._check_stop()
        path = urllib.parse.urlsplit(self._source.url).path
        headers = {TICKET_HEADER: self._source.ticket, "Range": f"bytes={self._size}-", "Accept-Encoding": "identity"}
        try:
            connection.connect()
            connection.sock.settimeout(self._patience.read_s)
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise _Cut(f"{type(error).__name__} at the image service", self._patience.pause_s) from error
        if response.status in STOPS_TRYING:
            raise STOPS_TRYING[response.status](f"The image service answers {response.status}.")
        starts_right = (response.getheader("Content-Range") or "").startswith(f"bytes {self._size}-")
        if response.status != 200 and not (response.status == 206 and starts_right):
            raise _Cut(f"the image service answers {response.status}", _seconds(response.getheader("Retry-After")))
        return response

    def _pieces(self, response: http.client.HTTPResponse) -> Iterator[bytes]:
        try:
            while data := response.read1(PIECE):
                yield data
        except (OSError, http.client.HTTPException) as error:
            raise _Cut(f"{type(error).__name__} during the transfer", self._patience.pause_s) from error
        if response.length:
            raise _Cut("the connection was cut", self._patience.pause_s)

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise Stopped

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Stopped


def connection_to(url: str, patience: Patience, ca_file: Path | None = None) -> http.client.HTTPConnection:
    """Make a connection to the image service; nothing is opened yet. Raises: BadRequest for what is no HTTP address."""
    place = urllib.parse.urlsplit(url)
    if place.scheme not in ("http", "https") or not place.hostname:
        raise errors.BadRequest("The image's address is no HTTP address.")
    if place.scheme == "http":
        return http.client.HTTPConnection(place.hostname, place.port, timeout=patience.connect_s)
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    return http.client.HTTPSConnection(place.hostname, place.port, timeout=patience.connect_s, context=context)


def _seconds(text: str | None) -> float:
    """Read a Retry-After in seconds, within reason."""
    return min(float(text), 10.0) if text and text.isascii() and text.isdigit() else 1.0


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
