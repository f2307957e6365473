"""The way to an Image API for bytes: one connection a try, answers that are final or not, patience and pauses."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nova_lite import errors
from nova_lite.image.client import Patience, connection_to

JSON = {"Accept": "application/json"}
MOST_PAUSE_S = 30.0
MOST_ANSWER = 1 << 20
USUAL = Patience(connect_s=10.0, read_s=60.0, without_progress_s=600.0)
# What another try does not change.
FINAL: dict[int, type[errors.NovaLiteError]] = {
    400: errors.BadRequest,
    401: errors.Unauthorized,
    403: errors.Forbidden,
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    409: errors.Conflict,
    410: errors.Gone,
    411: errors.LengthRequired,
    413: errors.TooLarge,
    415: errors.UnsupportedMediaType,
    416: errors.RangeNotSatisfiable,
    507: errors.InsufficientStorage,
}


class Cut(Exception):
    """It did not work this time. `wait_s`: as the service asks."""

    def __init__(self, why: str, wait_s: float | None = None) -> None:
        self.why = why
        self.wait_s = wait_s
        super().__init__(why)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """How to reach the images: `url` ends with the version; `token(True)` logs in anew."""

    url: str
    token: Callable[[bool], str]
    ca_file: Path | None = None
    patience: Patience = USUAL

    @contextlib.contextmanager
    def connected(self, method: str, path: str, headers: Mapping[str, str]) -> Iterator[http.client.HTTPConnection]:
        """Open a connection and send the headers. Raises: Cut."""
        connection = connection_to(self.url, self.patience, self.ca_file)
        try:
            with cut_off():
                token = self.token(False)  # before the service begins to wait for headers: it may take a login
                connection.connect()
                connection.sock.settimeout(self.patience.read_s)
                place = urllib.parse.urlsplit(self.url).path + path
                connection.putrequest(method, place, skip_accept_encoding=True)
                for name, value in {"X-Auth-Token": token, **headers}.items():
                    connection.putheader(name, value)
                connection.endheaders()
            yield connection
        finally:
            connection.close()

    def show(self, image_id: str) -> dict[str, Any]:
        """Read an image's record. Raises: Cut; what the service says."""
        return self._json("GET", f"/images/{image_id}")

    def create(self, fields: Mapping[str, str]) -> str:
        """Make an image; give its id. Raises: Cut; what the service says."""
        return str(self._json("POST", "/images", json.dumps(fields).encode())["id"])

    def delete(self, image_id: str) -> None:
        """Delete an image. Raises: Cut; what the service says."""
        with self.connected("DELETE", f"/images/{image_id}", JSON) as connection:
            judge(answer_of(connection), (204,))

    def _json(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        headers = dict(JSON)
        if body is not None:
            headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        with self.connected(method, path, headers) as connection:
            with cut_off():
                connection.send(body or b"")
            response = answer_of(connection)
            judge(response, (200, 201))
            with cut_off():
                found: dict[str, Any] = json.loads(response.read())
        return found


def answer_of(connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
    """Wait for an answer. Raises: Cut."""
    with cut_off():
        return connection.getresponse()


def judge(response: http.client.HTTPResponse, good: tuple[int, ...]) -> None:
    """Do nothing about a good answer. Raises: Cut for one that may be better another time; else what the service says."""
    if response.status in good:
        return
    message = _message(response)
    if response.status in FINAL:
        raise FINAL[response.status](message)
    asked = response.getheader("Retry-After") or ""
    raise Cut(message, float(asked) if asked.isascii() and asked.isdigit() else None)


def _message(response: http.client.HTTPResponse) -> str:
    text = f"The image service answers {response.status}."
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        told = json.loads(response.read(MOST_ANSWER))
        inner = told.get("error", told) if isinstance(told, dict) else {}
        text = str(inner.get("message") or text) if isinstance(inner, dict) else text
    return text


@contextlib.contextmanager
def cut_off() -> Iterator[None]:
    """Make a Cut of what connections raise."""
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Cut(f"the connection was cut ({type(error).__name__})") from error


class Tries:
    """Pauses between tries, each twice as long as the last, until nothing has moved for too long; and one new login."""

    def __init__(self, line: Line, note: Callable[[str], None], sleep: Callable[[float], None] = time.sleep) -> None:
        """`note` tells whoever waits why."""
        self._line = line
        self._note = note
        self._sleep = sleep
        self._since = time.monotonic()
        self._count = 0
        self._renewed = False

    def moved(self) -> None:
        """Begin anew: something came."""
        self._since = time.monotonic()
        self._count = 0
        self._renewed = False

    def renew(self, error: errors.Unauthorized) -> None:
        """Log in anew, once: a token ends while much moves. Raises: the error."""
        if self._renewed:
            raise error
        self._renewed = True
        with contextlib.suppress(OSError):  # the next try tells
            self._line.token(True)

    def pause(self, cut: Cut, *, patience_s: float | None = None) -> None:
        """Wait before the next try. Raises: Unavailable when it has lasted too long."""
        limit_s = self._line.patience.without_progress_s if patience_s is None else patience_s
        if time.monotonic() - self._since > limit_s:
            raise errors.Unavailable(f"Nothing has moved for {limit_s:.0f} s: {cut.why}.", what="the image service") from cut
        wait_s = min(MOST_PAUSE_S, cut.wait_s or self._line.patience.pause_s * 2**self._count)
        self._count = min(self._count + 1, 10)
        self._note(f"{cut.why.rstrip('.')}; again in {wait_s:g} s.")
        self._sleep(wait_s)

    def until_answered(self, ask: Callable[[], Any]) -> Any:
        """Ask until there is an answer. Raises: Unavailable; what the service says."""
        while True:
            try:
                return ask()
            except errors.Unauthorized as error:
                self.renew(error)
            except Cut as cut:
                self.pause(cut)
