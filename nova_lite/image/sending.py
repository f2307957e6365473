"""How a host fills an image: with the ticket of its command, over plain HTTP, streamed, begun anew after any cut.

Used by compute hosts, so it imports no records. The image service keeps nothing of an upload that was cut, and takes the
next one from its beginning.
"""

from __future__ import annotations

import dataclasses
import http.client
import select
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

from nova_lite import errors
from nova_lite.image.client import TICKET_HEADER, Patience, Stopped, connection_to
from nova_lite.model.image import ImageTarget

# What another try does not change.
FINAL: dict[int, tuple[type[errors.NovaLiteError], str]] = {
    400: (errors.BadRequest, "The image service did not accept the data."),
    401: (errors.Unauthorized, "The time to upload the image was over."),
    403: (errors.Forbidden, "The image service refused the upload."),
    404: (errors.Gone, "The image was deleted while it was being uploaded."),
    410: (errors.Gone, "The image was deleted while it was being uploaded."),
    413: (errors.TooLarge, "The image is larger than the image service takes."),
    415: (errors.BadRequest, "The image service did not accept the data."),
    507: (errors.InsufficientStorage, "The image store has no room for the image."),
}
USUAL = Patience()
BUSY = 409  # an upload that was cut is not over there yet; or somebody has filled the image meanwhile
BUSY_FOR_S = 60.0
MOST_PAUSE_S = 10.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Content:
    """What is sent: `pieces` gives the bytes from the beginning each time it is called, `size_bytes` of them."""

    size_bytes: int
    pieces: Callable[[], Iterator[bytes]]


class _Again(Exception):
    """It did not work this time. `final`: what it means when the time for more tries is over."""

    def __init__(self, why: str, wait_s: float, final: errors.NovaLiteError, *, busy: bool = False) -> None:
        self.why = why
        self.wait_s = wait_s
        self.final = final
        self.busy = busy
        super().__init__(why)


def send(
    target: ImageTarget,
    content: Content,
    stop: threading.Event,
    *,
    patience: Patience = USUAL,
    ca_file: Path | None = None,
) -> None:
    """Fill an image.

    Raises: Conflict when it takes no bytes any more; Gone when it was deleted; InsufficientStorage when the store is full;
    BadRequest, Unauthorized, Forbidden, TooLarge as the image service says; Unavailable when it does not answer for too
    long; Stopped; and what `pieces` raises.
    """
    began = time.monotonic()
    while True:
        try:
            _once(target, content, stop, patience, ca_file)
            return
        except _Again as again:
            allowed_s = min(BUSY_FOR_S, patience.without_progress_s) if again.busy else patience.without_progress_s
            if time.monotonic() - began > allowed_s:
                raise again.final from again
            if stop.wait(again.wait_s):
                raise Stopped from again


def _once(target: ImageTarget, content: Content, stop: threading.Event, patience: Patience, ca_file: Path | None) -> None:
    connection = connection_to(target.url, patience, ca_file)
    pieces = content.pieces()
    headers = {
        TICKET_HEADER: target.ticket,
        "Content-Type": "application/octet-stream",
        "Content-Length": str(content.size_bytes),
    }
    try:
        try:
            connection.connect()
            connection.sock.settimeout(patience.read_s)
            connection.putrequest("PUT", urllib.parse.urlsplit(target.url).path, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
        except (OSError, http.client.HTTPException) as error:
            raise _cut(error, patience) from error
        _send_all(connection, pieces, stop)
        _judge(_answer(connection, patience), patience)
    finally:
        connection.close()


def _send_all(connection: http.client.HTTPConnection, pieces: Iterator[bytes], stop: threading.Event) -> None:
    """Send until all is sent or nobody takes it any more: a service that refuses answers before the end."""
    for data in pieces:
        if stop.is_set():
            raise Stopped
        try:
            if select.select([connection.sock], [], [], 0)[0]:
                return
            connection.send(data)
        except OSError:
            return


def _answer(connection: http.client.HTTPConnection, patience: Patience) -> http.client.HTTPResponse:
    try:
        return connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        raise _cut(error, patience) from error


def _judge(response: http.client.HTTPResponse, patience: Patience) -> None:
    """Raises: _Again; what the service says for good."""
    status = response.status
    if 200 <= status < 300:
        return
    if status in FINAL:
        kind, message = FINAL[status]
        raise kind(message)
    wait_s = _seconds(response.getheader("Retry-After"), patience.pause_s)
    if status == BUSY:
        raise _Again("busy", wait_s, errors.Conflict("The image takes no data any more."), busy=True)
    away = errors.Unavailable(f"The image cannot be uploaded: the image service answers {status}.", what="the image service")
    raise _Again(str(status), wait_s, away)


def _cut(error: Exception, patience: Patience) -> _Again:
    away = errors.Unavailable("The image cannot be uploaded: the connection was cut.", what="the image service")
    return _Again(type(error).__name__, patience.pause_s, away)


def _seconds(text: str | None, usual_s: float) -> float:
    """Read a Retry-After in seconds, within reason."""
    return min(float(text), MOST_PAUSE_S) if text and text.isascii() and text.isdigit() else usual_s
