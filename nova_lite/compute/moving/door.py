"""A host's door: gives the files of a server that was set aside to who shows the token of its move, over TLS.

    GET /moves/<host>/<server>          {"files": [{"name": "root.qcow2", "size": 1073741824}]}
    GET /moves/<host>/<server>/<name>   with `Range: bytes=a-b`, at most 8 MiB: 206

A piece that is all zeros comes without its bytes (`X-Piece-Empty`); one whose SHA-256 is that of `If-None-Match` as 304, which
is how a transfer that was cut is taken up again. A piece that comes bears no hash: TLS seals each record of it (RFC 8446, 5.2),
and to hash the same bytes again at both ends took half of the time. What may be fetched is asked of the driver each time:
nothing is kept here.

A running guest comes in by the same door, from who shows the token that its host was told to expect:

    GET /live/<host>/<server>                how the host made ready for it (the driver's own JSON)
    PUT /live/<host>/<server>/<name>         a small file of it
    GET /live/<host>/<server>/tunnel/<what>  101: from here on bytes go both ways, to a place that the driver names
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import hmac
import http.server
import io
import json
import logging
import os
import re
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nova_lite.compute.moving import certificate
from nova_lite.compute.moving.pipe import pipe
from nova_lite.model.host import MoveDoor
from nova_lite.model.ids import HostName, ServerId

LOG = logging.getLogger(__name__)
PIECE = 8 << 20
CHUNK = 1 << 18
CONNECT_S = 10.0
SILENT_S = 60.0  # a connection that says nothing for so long is closed
AT_ONCE = 32  # connections
FILE_BYTES = 64 << 20
PORT_FILE = "door.port"
_PATH = re.compile(r"/moves/(?P<host>[\w.\-]{1,255})/(?P<server>[0-9a-f\-]{36})(?:/(?P<name>[\w.\-]{1,64}))?", re.ASCII)
_LIVE = re.compile(
    r"/live/(?P<host>[\w.\-]{1,255})/(?P<server>[0-9a-f\-]{36})(?:/tunnel/(?P<place>[a-z]{1,16})|/(?P<name>[\w.\-]{1,64}))?",
    re.ASCII,
)
_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{1,18})", re.ASCII)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Offer:
    """The files that the holder of a token may fetch, by name."""

    token_sha256: str
    files: Mapping[str, Path]


@dataclasses.dataclass(frozen=True, kw_only=True)
class LiveOffer:
    """What the holder of a token may do to hand a running guest over. `places`: unix sockets and ports, by name."""

    token_sha256: str
    facts: Mapping[str, Any]
    files: Mapping[str, Path]
    places: Mapping[str, str | int]


LiveOf = Callable[[ServerId], LiveOffer | None]
OfferOf = Callable[[ServerId], Offer | None]


class Door:
    """A listening socket with its threads; one serves all hosts of a process."""

    def __init__(self, folder: Path, name: str, *, port: int = 0, address: str = "") -> None:
        """`folder` keeps the certificate. Nothing listens before `open`. Port 0: the last one, or any that is free."""
        self._pem = certificate.ensure(folder, name)
        self._last_port = folder / PORT_FILE
        self._fingerprint = certificate.fingerprint(self._pem)
        self._address = (address, port)
        self._offers: dict[HostName, OfferOf] = {}
        self._live: dict[HostName, LiveOf] = {}
        self._server: _Server | None = None
        self._lock = threading.Lock()

    def add(self, host: HostName, offer_of: OfferOf, live_of: LiveOf) -> None:
        """Let a host's offers be asked for, and guests be handed over to it."""
        self._offers[host] = offer_of
        self._live[host] = live_of

    def open(self) -> MoveDoor:
        """Listen, and tell where. May be repeated. Raises: OSError when the port is taken."""
        with self._lock:
            if self._server is None:
                self._server = self._listen()
                threading.Thread(target=self._server.serve_forever, name="move-door", daemon=True).start()
            return MoveDoor(port=self._server.server_address[1], fingerprint=self._fingerprint)

    def _listen(self) -> _Server:
        """Listen at the port of the last time where any will do: hosts that fetch from here go on asking there."""
        address, port = self._address
        context = certificate.server_context(self._pem)
        if port == 0:
            with contextlib.suppress(OSError, ValueError, OverflowError):
                return _Server((address, int(self._last_port.read_text("ascii"))), context, self._offers, self._live)
        server = _Server(self._address, context, self._offers, self._live)
        if port == 0:
            self._last_port.write_text(str(server.server_address[1]), "ascii")
        return server

    def close(self) -> None:
        """End. May be repeated."""
        with self._lock:
            server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()


class _Server(http.server.ThreadingHTTPServer):
    """Takes connections, so many at once; TLS begins in each one's own thread."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self,
        address: tuple[str, int],
        context: ssl.SSLContext,
        offers: Mapping[HostName, OfferOf],
        live: Mapping[HostName, LiveOf],
    ) -> None:
        self.offers = offers
        self.live = live
        self._context = context
        self._free = threading.BoundedSemaphore(AT_ONCE)
        super().__init__(address, _Handler)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(timeout=SILENT_S):
            self.shutdown_request(request)
            return
        try:
            request.settimeout(SILENT_S)
            with contextlib.suppress(OSError):
                super().process_request_thread(self._context.wrap_socket(request, server_side=True), client_address)
        finally:
            self._free.release()
            self.shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        LOG.info("A connection to the door broke.", exc_info=True)


class _Handler(http.server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "nova-lite"
    sys_version = ""
    server: _Server

    def do_GET(self) -> None:
        """Answer one request. Whoever has no right learns nothing of what there is."""
        entering = _LIVE.fullmatch(self.path)
        if entering is not None:
            self._enter(entering)
            return
        match = _PATH.fullmatch(self.path)
        offer = self._offer(match) if match is not None else None
        if match is None or offer is None:
            self._answer(401)
        elif match["name"] is None:
            self._manifest(offer)
        else:
            self._piece(offer.files.get(match["name"]))

    def do_PUT(self) -> None:
        """Take a small file of a guest that comes."""
        match = _LIVE.fullmatch(self.path)
        offer = self._live_offer(match) if match is not None else None
        length = self.headers.get("Content-Length", "")
        self.close_connection = True
        if match is None or offer is None:
            self._answer(401)
        elif match["name"] not in offer.files or not length.isdigit() or int(length) > FILE_BYTES:
            self._answer(400)
        else:
            path = offer.files[match["name"]]
            fresh = path.with_suffix(".new")
            fresh.touch(mode=0o600)
            fresh.write_bytes(self.rfile.read(int(length)))
            fresh.rename(path)
            self._answer(204)

    def _enter(self, match: re.Match[str]) -> None:
        offer = self._live_offer(match)
        self.close_connection = True
        if offer is None:
            self._answer(401)
        elif match["place"] is None:
            self._answer(200, json.dumps(offer.facts).encode(), {"Content-Type": "application/json"})
        elif match["place"] not in offer.places:
            self._answer(404)
        else:
            self._tunnel(offer.places[match["place"]])

    def _tunnel(self, place: str | int) -> None:
        """Carry bytes to a place on this host until either side ends."""
        try:
            near = _reach(place)
        except OSError:
            self._answer(503)
            return
        with near:
            self._answer(101, b"", {"Upgrade": "nova-lite-tunnel"})
            self.connection.settimeout(None)
            pipe(self.connection, near)

    def _live_offer(self, match: re.Match[str]) -> LiveOffer | None:
        live_of = self.server.live.get(HostName(match["host"]))
        offer = live_of(ServerId(match["server"])) if live_of is not None else None
        return offer if offer is not None and self._shows(offer.token_sha256) else None

    def _shows(self, token_sha256: str) -> bool:
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        digest = hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
        return kind == "Bearer" and hmac.compare_digest(digest, token_sha256)

    def _offer(self, match: re.Match[str]) -> Offer | None:
        offer_of = self.server.offers.get(HostName(match["host"]))
        offer = offer_of(ServerId(match["server"])) if offer_of is not None else None
        return offer if offer is not None and self._shows(offer.token_sha256) else None

    def _manifest(self, offer: Offer) -> None:
        files = [{"name": name, "size": path.stat().st_size} for name, path in sorted(offer.files.items())]
        self._answer(200, json.dumps({"files": files}).encode(), {"Content-Type": "application/json"})

    def _piece(self, path: Path | None) -> None:
        wanted = _RANGE.fullmatch(self.headers.get("Range", ""))
        if path is None or wanted is None:
            self._answer(404 if path is None else 416)
            return
        first, last = int(wanted[1]), int(wanted[2])
        if not first <= last < first + PIECE:
            self._answer(416)
            return
        with path.open("rb", buffering=0) as file:
            file.seek(first)
            head = file.read(min(CHUNK, last - first + 1))
            known = self.headers.get("If-None-Match")
            if known is None and head.strip(b"\0"):
                self._stream(head, file, last - first + 1)
            else:
                self._compare(head + file.read(last + 1 - first - len(head)), known)

    def _compare(self, data: bytes, known: str | None) -> None:
        """Send a piece if it is not the one that is known, and has anything in it."""
        if known is not None and known == f'"{hashlib.sha256(data).hexdigest()}"':
            self._answer(304)
        elif not data.strip(b"\0"):
            self._answer(206, b"", {"X-Piece-Empty": str(len(data))})
        else:
            self._answer(206, data)

    def _stream(self, head: bytes, file: io.FileIO, length: int) -> None:
        """Send a piece as it is read, in chunks that stay in the processor's cache. A file that is shorter ends early."""
        length = min(length, os.fstat(file.fileno()).st_size - file.tell() + len(head))
        self.send_response(206)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(head)
        left = length - len(head)
        while left and (data := file.read(min(CHUNK, left))):
            self.wfile.write(data)
            left -= len(data)
        self.close_connection = self.close_connection or left > 0

    def _answer(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status not in (101, 204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Write no access log: each piece would be a line."""


def _reach(place: str | int) -> socket.socket:
    """Connect to a unix socket, or to a port of this host's own address."""
    if isinstance(place, int):
        return socket.create_connection(("127.0.0.1", place), timeout=CONNECT_S)
    near = socket.socket(socket.AF_UNIX)
    try:
        near.connect(place)
    except OSError:
        near.close()
        raise
    return near
