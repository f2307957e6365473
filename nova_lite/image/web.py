"""Bytes from a web server that a user names: only from where the operator allows, not slower or more than bearable.

Every address of a name must be a public one, and the connection goes to the address that was checked: a name that means
something else a moment later (DNS rebinding) reaches nothing inside. The same is checked anew for each redirect.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http
import http.client
import ipaddress
import socket
import ssl
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping

from nova_lite import errors
from nova_lite.conf.image import WebRules

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], list[str]]
PORTS = {"http": 80, "https": 443}
REDIRECTS = 3
REDIRECTING = (301, 302, 303, 307, 308)
CONNECT_S = 10.0
HEAD_S = 30.0  # until the answer's head is there
FLOOR_BYTES_S = 16 << 10  # slower servers are cut off
WINDOW_S = 30.0  # over which the rate is taken
LONGEST_URL = 2048
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Place:
    """A checked URL."""

    scheme: str
    host: str
    port: int
    path: str


def check_url(url: str, rules: WebRules) -> None:
    """See that a URL may be fetched, as far as it tells by itself; names are looked up later. Raises: BadRequest."""
    place = _place(url, rules)
    with contextlib.suppress(ValueError):
        _check_address(ipaddress.ip_address(place.host), place.port, rules)


def resolve(host: str, port: int) -> list[str]:
    """Look a name up. Raises: Unavailable."""
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as error:
        raise errors.Unavailable("The name of the web server is not found.", what="the web server") from error


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asking:
    """How a file is asked for: more headers, redirects followed, the status wanted. A header goes to every redirect too."""

    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    redirects: int = REDIRECTS
    status: int = 200


USUAL = Asking()


class WebFile:
    """A file on a web server, being read, or a part of one (`partial`).

    length, total: bytes of what comes and of the whole file as they were announced, or None
    """

    def __init__(
        self,
        connection: http.client.HTTPConnection,
        response: http.client.HTTPResponse,
        largest: int,
        floor: int = FLOOR_BYTES_S,
    ) -> None:
        """Made by `open_web` only. `floor`: bytes a second that must come. Raises: TooLarge; BadRequest for an encoded body."""
        self._connection, self._response, self._largest = connection, response, largest
        self._floor = floor
        self.length = response.length
        self.partial = response.status == http.HTTPStatus.PARTIAL_CONTENT
        whole = response.getheader("Content-Range", "").rpartition("/")[2]
        self.total = response.length if not self.partial else int(whole) if whole.isascii() and whole.isdigit() else None
        self._received = 0
        self._window = (time.monotonic(), 0)
        if response.getheader("Content-Encoding", "identity").lower() != "identity":
            raise errors.BadRequest("The web server encodes the file although it was asked not to.")
        self._require_small(self.length or 0)

    def read(self, size: int) -> bytes:
        """Give up to `size` bytes; none at the end. Raises: Unavailable when it is cut or too slow; TooLarge."""
        with _translated():
            data = self._response.read1(size)
        self._received += len(data)
        if not data and self.length is not None and self._received < self.length:
            raise errors.Unavailable("The web server ended before all bytes had come.", what="the web server")
        self._require_small(self._received)
        if data:
            self._require_fast()
        return data

    def close(self) -> None:
        """Let go of it. May be repeated."""
        self._connection.close()

    def _require_small(self, size: int) -> None:
        if size > self._largest:
            raise errors.TooLarge(f"The file has more than {self._largest} bytes, which is the most that is fetched.")

    def _require_fast(self) -> None:
        began, had = self._window
        now = time.monotonic()
        if now - began < WINDOW_S:
            return
        if self._received - had < self._floor * (now - began):
            raise errors.BadRequest(f"The web server sends fewer than {self._floor} bytes a second.")
        self._window = (now, self._received)


def open_web(
    url: str,
    rules: WebRules,
    resolve: Resolve = resolve,
    asking: Asking = USUAL,
    *,
    part: tuple[int, int] | None = None,
) -> WebFile:
    """Open a file, over at most three redirects unless `asking` says fewer; `part`: the first byte and how many.

    A server that knows no parts sends the whole file. Whoever reads a part may be slow, so the server's rate does not count.

    Raises: BadRequest when the rules or the answer forbid it; Unavailable when another try may help; TooLarge.
    """
    for _ in range(asking.redirects + 1):
        place = _place(url, rules)
        with contextlib.ExitStack() as kept_on_success:
            connection = _connect(place, _address(place, rules, resolve))
            kept_on_success.callback(connection.close)
            response = _ask(connection, place, asking.headers, part)
            if response.status not in REDIRECTING:
                _require_ok(response, asking.status, part)
                file = WebFile(connection, response, rules.largest_bytes, FLOOR_BYTES_S if part is None else 0)
                kept_on_success.pop_all()
                return file
            url = urllib.parse.urljoin(url, response.getheader("Location", ""))
    raise errors.BadRequest(f"The web server redirects more than {asking.redirects} times.")


def _place(url: str, rules: WebRules) -> _Place:
    if len(url) > LONGEST_URL or not url.isascii() or any(sign <= " " or sign == "\x7f" for sign in url):
        raise errors.BadRequest("The URI has characters that must be escaped, or too many.")
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise errors.BadRequest("The URI is malformed.") from error
    if parts.scheme not in PORTS or not parts.hostname:
        raise errors.BadRequest("The URI must begin with http:// or https:// and name a server.")
    if parts.username is not None or parts.password is not None:
        raise errors.BadRequest("The URI must not have a user or password.")
    port = PORTS[parts.scheme] if port is None else port
    if port not in rules.ports and not rules.networks:
        raise _wrong_port(port, rules)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Place(scheme=parts.scheme, host=parts.hostname, port=port, path=path)


def _address(place: _Place, rules: WebRules, resolve: Resolve) -> str:
    """Give the address to go to; every one of the name's is checked. Raises: BadRequest, Unavailable."""
    found = [ipaddress.ip_address(text.partition("%")[0]) for text in resolve(place.host, place.port)]
    for address in found:
        _check_address(address, place.port, rules)
    if not found:
        raise errors.Unavailable("The name of the web server has no address.", what="the web server")
    return str(found[0])


def _check_address(address: Address, port: int, rules: WebRules) -> None:
    """Raises: BadRequest for an address that is neither in an allowed network nor public, with an allowed port."""
    inner = _inner(address)
    if any(inner.version == network.version and inner in network for network in rules.networks):
        return
    if not rules.public or not inner.is_global or inner.is_multicast or inner.is_reserved:
        raise errors.BadRequest("The web server is at an address that is not public; nothing is fetched from there.")
    if port not in rules.ports:
        raise _wrong_port(port, rules)


def _wrong_port(port: int, rules: WebRules) -> errors.BadRequest:
    return errors.BadRequest(f"Port {port} is not allowed; allowed are {', '.join(str(one) for one in rules.ports)}.")


def _inner(address: Address) -> Address:
    """Give the IPv4 address that an IPv6 address stands for, if it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)


def _connect(place: _Place, address: str) -> http.client.HTTPConnection:
    """Connect to a checked address under the URL's name. Raises: Unavailable."""
    connection = http.client.HTTPConnection(place.host, place.port, timeout=CONNECT_S)
    with _translated(), contextlib.ExitStack() as kept_on_success:
        plain = kept_on_success.enter_context(socket.create_connection((address, place.port), timeout=CONNECT_S))
        secure = place.scheme == "https"
        wrap = ssl.create_default_context().wrap_socket
        connection.sock = wrap(plain, server_hostname=place.host) if secure else plain
        kept_on_success.pop_all()
    return connection


def _ask(
    connection: http.client.HTTPConnection, place: _Place, more: Mapping[str, str], part: tuple[int, int] | None
) -> http.client.HTTPResponse:
    """Send the request and read the answer's head, which may not take for ever. Raises: Unavailable."""
    name = f"[{place.host}]" if ":" in place.host else place.host
    host = name if place.port == PORTS[place.scheme] else f"{name}:{place.port}"
    headers = {"Host": host, "Accept-Encoding": "identity", "User-Agent": "nova-lite", "Connection": "close", **more}
    if part is not None:
        headers["Range"] = f"bytes={part[0]}-{part[0] + part[1] - 1}"
    end = threading.Timer(HEAD_S, _cut, (connection.sock,))
    end.daemon = True
    end.start()
    try:
        with _translated():
            connection.request("GET", place.path, headers=headers)
            return connection.getresponse()
    finally:
        end.cancel()


def _cut(connected: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


def _require_ok(response: http.client.HTTPResponse, wanted: int, part: tuple[int, int] | None) -> None:
    """See that what was asked for comes. Raises: Unavailable; BadRequest."""
    status = response.status
    if status >= 500 or status == 429:
        raise errors.Unavailable(f"The web server answers {status}.", what="the web server")
    starts = f"bytes {part[0]}-" if part is not None else "no part"
    right_part = status == http.HTTPStatus.PARTIAL_CONTENT and response.getheader("Content-Range", "").startswith(starts)
    if status != wanted and not right_part:
        raise errors.BadRequest(f"The web server answers {status}.")


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise errors.BadRequest("The web server's certificate is not good.") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise errors.Unavailable("The web server does not answer, or the connection was cut.", what="the web server") from error
