"""The metadata service at 169.254.169.254: answered on the host from its own copy, without a message.

Who asks is told by the network and the address: the tap's rules let no other one out, and networks of projects may use the
same ones. On the host's own bridge it listens on whatever port is free, and the firewall brings port 80 there; in a namespace
it has port 80 itself.
"""

from __future__ import annotations

import contextlib
import http.server
import logging
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from nova_lite import errors
from nova_lite.compute import metadata
from nova_lite.compute.wiring.bridge import METADATA_IP
from nova_lite.compute.wiring.port import WiringError
from nova_lite.model.guest import PASSWORD_CHARS, GuestSpec
from nova_lite.model.ids import ServerId

LOG = logging.getLogger(__name__)
PORT = 80
QUEUE = 128
AT_ONCE = 64
AT_ONCE_EACH = 4  # of one guest
READ_S = 5.0
WHOLE_S = 10.0  # a connection takes no longer, however slowly its bytes come


class Specs:
    """Guests by the bridges and addresses of their interfaces."""

    def __init__(self) -> None:
        """Empty; the daemon fills it from its own files."""
        self._lock = threading.Lock()
        self._specs: dict[tuple[str, str], GuestSpec] = {}
        self.passwords = Passwords()

    def put(self, spec: GuestSpec) -> None:
        """Answer this guest's addresses from this spec from now on."""
        with self._lock:
            self._drop(spec.server_id)
            self._specs |= {(one.bridge, address): spec for one in spec.interfaces for address in one.addresses}

    def drop(self, server_id: ServerId) -> None:
        """Answer this guest no more."""
        with self._lock:
            self._drop(server_id)
        self.passwords.drop(server_id)

    def of(self, bridge: str, address: str) -> GuestSpec | None:
        """Find the guest with an address of a network."""
        with self._lock:
            return self._specs.get((bridge, address))

    def _drop(self, server_id: ServerId) -> None:
        self._specs = {place: spec for place, spec in self._specs.items() if spec.server_id != server_id}


class Passwords:
    """What guests wrote as their passwords, as far as this process knows; the records are the conductor's."""

    def __init__(self) -> None:
        """Nobody listens yet."""
        self._lock = threading.Lock()
        self._written: dict[str, str] = {}
        self._listener: Callable[[ServerId, str], None] | None = None

    def listen(self, listener: Callable[[ServerId, str], None]) -> None:
        """Hand what guests write to `listener` from now on."""
        self._listener = listener

    def read(self, server_id: ServerId) -> str:
        """Give what the guest wrote last; empty where that is not known."""
        with self._lock:
            return self._written.get(server_id, "")

    def write(self, server_id: ServerId, password: str) -> None:
        """Take what a guest writes. Raises: BadRequest for what is too long or no ASCII; Unavailable before anybody listens."""
        if len(password) > PASSWORD_CHARS or not password.isascii():
            raise errors.BadRequest("The password is too long, or no ASCII text.")
        if self._listener is None:
            raise errors.Unavailable
        self._listener(server_id, password)
        with self._lock:
            self._written[server_id] = password

    def drop(self, server_id: ServerId) -> None:
        """Forget a server's."""
        with self._lock:
            self._written.pop(server_id, None)


class Places:
    """The connections that are open: so many in all, few of each guest, none for long."""

    def __init__(self) -> None:
        """All are free."""
        self._lock = threading.Lock()
        self._open: dict[socket.socket, tuple[str, float]] = {}
        self._of: Counter[str] = Counter()

    def take(self, connection: socket.socket, address: str) -> bool:
        """Take a place; False when none is free for this guest."""
        with self._lock:
            if len(self._open) >= AT_ONCE or self._of[address] >= AT_ONCE_EACH:
                return False
            self._open[connection] = (address, time.monotonic() + WHOLE_S)
            self._of[address] += 1
            return True

    def leave(self, connection: socket.socket) -> None:
        """Give a place back."""
        with self._lock:
            address, _ = self._open.pop(connection, ("", 0.0))
            self._of[address] -= 1
            self._of += Counter()  # forgets what is not above zero

    def end_overdue(self) -> None:
        """Cut the connections that took too long; their threads then end."""
        with self._lock:
            overdue = [connection for connection, (_, end) in self._open.items() if end < time.monotonic()]
        for connection in overdue:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def listen(bridge: str) -> socket.socket:
    """Listen on a bridge of the host's alone, on a free port. Raises: WiringError."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, bridge.encode())
        listener.bind((METADATA_IP, 0))
        listener.listen(QUEUE)
    except OSError as error:
        listener.close()
        raise WiringError(f"The metadata service cannot listen on {bridge}: {error.strerror}.") from error
    return listener


def listen_inside() -> socket.socket:
    """Listen in the namespace of the calling thread; the socket stays there wherever it is used. Raises: WiringError."""
    try:
        return socket.create_server((METADATA_IP, PORT), backlog=QUEUE)
    except OSError as error:
        raise WiringError(f"The metadata service cannot listen in its namespace: {error.strerror}.") from error


class MetadataServer(http.server.ThreadingHTTPServer):
    """Serves one network; a guest that asks too much at once is refused, not the others."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, bridge: str, specs: Specs, listener: socket.socket) -> None:
        """`listener` is the server's from now on."""
        super().__init__(listener.getsockname(), Handler, bind_and_activate=False)
        self.socket.close()  # the one that it made for itself
        self.socket = listener
        self.server_address = listener.getsockname()
        self._bridge = bridge
        self._specs = specs
        self._places = Places()
        self._thread = threading.Thread(target=self.serve_forever, name="metadata", daemon=True)

    @property
    def passwords(self) -> Passwords:
        """What its guests write."""
        return self._specs.passwords

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def spec_of(self, address: str) -> GuestSpec | None:
        """Find the guest of this network with an address."""
        return self._specs.of(self._bridge, address)

    def start(self) -> None:
        """Serve in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Serve no more."""
        self.shutdown()
        self.server_close()

    def service_actions(self) -> None:
        """Look twice a second for connections that take too long."""
        self._places.end_overdue()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Take a request when there is a place for it."""
        if self._places.take(request, client_address[0]):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection, then give its place back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.leave(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Let a client that went away go."""


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers GET and HEAD; the one thing that a guest may write is its password."""

    server: MetadataServer
    timeout = READ_S
    server_version = "nova-lite"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer a document or a folder."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Answer without the body."""
        self._answer(with_body=False)

    def do_POST(self) -> None:
        """Take the guest's password, encrypted by its user's key."""
        spec = self.server.spec_of(self.client_address[0])
        size = self.headers.get("Content-Length", "")
        if spec is None or not metadata.is_password(self.path.partition("?")[0]):
            self._send(errors.NotFound.status, b"Not found\n", with_body=True)
        elif not (size.isascii() and size.isdigit() and len(size) <= 4 and int(size) <= PASSWORD_CHARS):
            self.close_connection = True
            self._send(errors.BadRequest.status, b"The password is too long\n", with_body=True)
        else:
            self._send(self._keep(spec.server_id, self.rfile.read(int(size))), b"", with_body=True)

    def _keep(self, server_id: ServerId, written: bytes) -> int:
        try:
            self.server.passwords.write(server_id, written.decode("latin-1"))
        except errors.NovaLiteError as error:
            return error.status
        return 200

    def _answer(self, *, with_body: bool) -> None:
        spec = self.server.spec_of(self.client_address[0])
        path = self.path.partition("?")[0]
        body = None
        if spec is not None and metadata.is_password(path):
            body = self.server.passwords.read(spec.server_id).encode("ascii")
        elif spec is not None:
            body = metadata.lookup(spec, path)
        status = errors.NotFound.status if body is None else 200
        self._send(status, body if body is not None else b"Not found\n", with_body=with_body)

    def _send(self, status: int, content: bytes, *, with_body: bool) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if self.path.endswith(".json") else "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Count on nothing here being worth a line: what guests ask may be user data."""
