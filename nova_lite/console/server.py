"""The web server of consoles: pages by GET, consoles by websocket, both on one port."""

from __future__ import annotations

import http
import http.cookies
import logging
import ssl
import threading
import urllib.parse
from collections.abc import Sequence
from pathlib import Path

from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve
from websockets.typing import Subprotocol

from nova_lite import errors
from nova_lite.conf.console import ConsoleOptions
from nova_lite.console.origins import Origins, origins_of
from nova_lite.console.sessions import Session, Sessions
from nova_lite.console.site import HEADERS, Page, Site
from nova_lite.model.console import hash_of
from nova_lite.runtime.streams import give_up_after

LOG = logging.getLogger(__name__)
LONGEST_MESSAGE = 1 << 20
STUCK_MS = 30_000
CLOSE_S = 2.0  # for a browser to answer that it closes too; one that does not read is rid of its connection after that
SUBPROTOCOL = Subprotocol("binary")
# The library's lines show requests, and those have tokens in them: not one of them is let through, at no level.
SILENT = logging.getLogger(f"{__name__}.library")
SILENT.setLevel(logging.CRITICAL + 1)
SILENT.propagate = False


class Door(ServerConnection):
    """A connection, and the console that it opened."""

    session: Session | None = None


class ConsoleServer:
    """Listens from `start` on."""

    def __init__(self, options: ConsoleOptions, site: Site, sessions: Sessions) -> None:
        """Read the certificate, if there is to be one. Raises: ConfigError when it cannot be used."""
        self._options = options
        self._site = site
        self._sessions = sessions
        self._origins: Origins = origins_of(options)
        self._tls = None if options.certificate is None else _tls(options.certificate)
        self._server: Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        return 0 if self._server is None else int(self._server.socket.getsockname()[1])

    def start(self) -> None:
        """Listen. Raises: ConfigError when the port is not to be had."""
        try:
            self._server = serve(
                self._run,
                self._options.listen,
                self._options.port,
                ssl=self._tls,
                create_connection=Door,
                compression=None,
                process_request=self._page,
                process_response=self._open,
                select_subprotocol=_subprotocol,
                server_header=None,
                max_size=LONGEST_MESSAGE,
                close_timeout=CLOSE_S,
                logger=SILENT,
            )
        except OSError as error:
            place = f"{self._options.listen}:{self._options.port}"
            raise errors.ConfigError(f"Consoles cannot be served on {place}: {error.strerror}.") from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="consoles", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take nobody in any more. May be repeated."""
        if self._server is not None:
            self._server.shutdown()

    def alive(self) -> bool:
        """Whether it listens."""
        return self._thread is not None and self._thread.is_alive()

    def _page(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer what is no websocket's request."""
        give_up_after(connection.socket, STUCK_MS)
        if any("websocket" in value.lower() for value in request.headers.get_all("Upgrade")):
            return None
        if request.method not in ("GET", "HEAD"):
            return _response(Page(status=405, body=b"Pages are only read here.\n"))
        page = self._site.find(urllib.parse.unquote(request.path.partition("?")[0]))
        return _response(page, bodiless=request.method == "HEAD")

    def _open(self, connection: ServerConnection, request: Request, response: Response) -> Response | None:
        """Open the console of a request that is otherwise good; the token is not touched before."""
        if response.status_code != 101 or not isinstance(connection, Door):
            return None
        host = request.headers.get_all("Host")
        if not self._origins.allow(request.headers.get_all("Origin"), host[0] if host else None):
            LOG.info("A console is refused: a page of another site asks for it.", extra={"action": "console"})
            return _refusal(403)
        token = _token(request)
        if token is None:
            return _refusal(403)
        try:
            connection.session = self._sessions.open(hash_of(token))
        except errors.NovaLiteError as error:
            LOG.info("A console is refused: %s", error.message, extra={"action": "console"})
            return _refusal(503 if isinstance(error, errors.Unavailable) else 403)
        return None

    def _run(self, connection: ServerConnection) -> None:
        session = connection.session if isinstance(connection, Door) else None
        if session is not None:
            self._sessions.run(session, connection)


def _token(request: Request) -> str | None:
    """Take the token out of the query, or out of the cookie in which noVNC before 1.1 has it."""
    query = urllib.parse.parse_qs(request.path.partition("?")[2])
    if query.get("token"):
        return query["token"][0]
    jar = http.cookies.SimpleCookie()
    try:
        for text in request.headers.get_all("Cookie"):
            jar.load(text)
    except http.cookies.CookieError:
        return None
    return jar["token"].value if "token" in jar else None


def _subprotocol(_connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Take `binary` from old clients that offer names; nothing else is spoken here."""
    return SUBPROTOCOL if SUBPROTOCOL in offered else None


def _response(page: Page, *, bodiless: bool = False) -> Response:
    headers = Headers([*page.headers, ("Content-Length", str(len(page.body))), ("Connection", "close")])
    return Response(page.status, http.HTTPStatus(page.status).phrase, headers, b"" if bodiless else page.body)


def _refusal(status: int) -> Response:
    """Refuse without a body: what follows the headers might be taken for a console's bytes."""
    return Response(
        status, http.HTTPStatus(status).phrase, Headers([("Content-Length", "0"), ("Connection", "close"), *HEADERS])
    )


def _tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate)
    except (OSError, ValueError) as error:
        raise errors.ConfigError(
            f"[console] certificate: {certificate} has no certificate with its key, or is not readable."
        ) from error
    return context
