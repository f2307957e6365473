"""A host's door: gives the files of a server that was set aside to who shows the token of its move, over TLS.

    GET /moves/<host>/<server>          {"files": [{"name": "root.qcow2", "size": 1073741824}]}
    GET /moves/<host>/<server>/<name>   with `Range: bytes=a-b`, at most 8 MiB: 206, with `X-Piece-SHA256`

A piece that is all zeros comes without its bytes (`X-Piece-Empty`); one whose hash is that of `If-None-Match` as 304, which
is how a transfer that was cut is taken up again. What may be fetched is asked of the driver each time: nothing is kept here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import hmac
import http.server
import json
import logging
import re
import ssl
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nova_lite.compute.moving import certificate
from nova_lite.model.host import MoveDoor
from nova_lite.model.ids import HostName, ServerId

LOG = logging.getLogger(__name__)
PIECE = 8 << 20
SILENT_S = 60.0  # a connection that says nothing for so long is closed
AT_ONCE = 32  # connections
_PATH = re.compile(r"/moves/(?P<host>[\w.\-]{1,255})/(?P<server>[0-9a-f\-]{36})(?:/(?P<name>[\w.\-]{1,64}))?", re.ASCII)
_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{1,18})", re.ASCII)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Offer:
    """The files that the holder of a token may fetch, by name."""

    token_sha256: str
    files: Mapping[str, Path]


OfferOf = Callable[[ServerId], Offer | None]


class Door:
    """A listening socket with its threads; one serves all hosts of a process."""

    def __init__(self, folder: Path, name: str, *, port: int = 0, address: str = "") -> None:
        """`folder` keeps the certificate. Nothing listens before `open`. Port 0: any that is free."""
        self._pem = certificate.ensure(folder, name)
        self._fingerprint = certificate.fingerprint(self._pem)
        self._address = (address, port)
        self._offers: dict[HostName, OfferOf] = {}
        self._server: _Server | None = None
        self._lock = threading.Lock()

    def add(self, host: HostName, offer_of: OfferOf) -> None:
        """Let a host's offers be asked for."""
        self._offers[host] = offer_of

    def open(self) -> MoveDoor:
        """Listen, and tell where. May be repeated. Raises: OSError when the port is taken."""
        with self._lock:
            if self._server is None:
                self._server = _Server(self._address, certificate.server_context(self._pem), self._offers)
                threading.Thread(target=self._server.serve_forever, name="move-door", daemon=True).start()
            return MoveDoor(port=self._server.server_address[1], fingerprint=self._fingerprint)

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

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext, offers: Mapping[HostName, OfferOf]) -> None:
        self.offers = offers
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
        match = _PATH.fullmatch(self.path)
        offer = self._offer(match) if match is not None else None
        if match is None or offer is None:
            self._answer(401)
        elif match["name"] is None:
            self._manifest(offer)
        else:
            self._piece(offer.files.get(match["name"]))

    def _offer(self, match: re.Match[str]) -> Offer | None:
        offer_of = self.server.offers.get(HostName(match["host"]))
        offer = offer_of(ServerId(match["server"])) if offer_of is not None else None
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        digest = hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
        if offer is None or kind != "Bearer" or not hmac.compare_digest(digest, offer.token_sha256):
            return None
        return offer

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
        with path.open("rb") as file:
            file.seek(first)
            data = file.read(last - first + 1)
        digest = hashlib.sha256(data).hexdigest()
        headers = {"X-Piece-SHA256": digest}
        if self.headers.get("If-None-Match") == f'"{digest}"':
            self._answer(304, b"", headers)
        elif not data.strip(b"\0"):
            self._answer(206, b"", headers | {"X-Piece-Empty": str(len(data))})
        else:
            self._answer(206, data, headers)

    def _answer(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Write no access log: each piece would be a line."""
