"""A guest's way through a target's door: connections to one place on the target, carried by TLS.

The source opens local ports whose connections come out behind the door, at the ports that both sides make of the move's token.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import socket
import ssl
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nova_lite.compute.moving import certificate
from nova_lite.compute.moving.fetch import FetchError
from nova_lite.compute.moving.pipe import pipe
from nova_lite.model.ids import ServerId
from nova_lite.rpc.commands import MoveSource
from nova_lite.runtime import streams

LOG = logging.getLogger(__name__)
CONNECT_S = 10.0
PROBE_S, PROBES = 10, 3  # of a target that is silent: the TCP keepalive of what is carried
NEAR_ADDRESS = "127.0.0.2"  # the source's ends listen here, so that one machine may be both hosts
FIRST_PORT, PORTS = 61000, 4536  # above those that Linux gives to connections by itself (ip_local_port_range)
HEAD_BYTES = 64 * 1024


def ports_of(token_sha256: str) -> tuple[int, int]:
    """Give the ports on both hosts' own address at which memory and disks go over: of the token, so that both know them."""
    first = FIRST_PORT + int(token_sha256[:8], 16) % (PORTS // 2) * 2
    return first, first + 1


def digest_of(token: str) -> str:
    """Give what a host keeps of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def connect(
    target: MoveSource, request: str, headers: Mapping[str, str], body: bytes = b""
) -> tuple[ssl.SSLSocket, int, bytes]:
    """Open a connection to a door and send one request; give it, the status and what came of the answer's body.

    Raises: FetchError when the door shows another certificate; OSError.
    """
    raw = socket.create_connection((target.address, target.port), timeout=CONNECT_S)
    streams.probe(raw, every_s=PROBE_S, tries=PROBES)
    secured = certificate.client_context().wrap_socket(raw)
    shown = secured.getpeercert(binary_form=True) or b""
    if not hmac.compare_digest(hashlib.sha256(shown).hexdigest(), target.fingerprint):
        secured.close()
        raise FetchError("The target host shows another certificate than it told of.", code="bad_target")
    lines = [f"{request} HTTP/1.1", f"Host: {target.host}", f"Authorization: Bearer {target.token}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    secured.sendall("\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode("ascii") + body)
    head = b""
    while b"\r\n\r\n" not in head and len(head) < HEAD_BYTES:
        data = secured.recv(1)  # not a byte more: what follows belongs to the tunnel
        if not data:
            break
        head += data
    status = head.split(b" ", 2)[1:2]
    length = next((line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), b"0")
    answer, wanted = b"", int(length)
    while len(answer) < wanted:
        data = secured.recv(wanted - len(answer))
        if not data:
            break
        answer += data
    return secured, int(status[0]) if status and status[0].isdigit() else 0, answer


def ask(target: MoveSource, server_id: ServerId) -> dict[str, Any]:
    """Ask a target how it made ready for a guest. Raises: FetchError; OSError."""
    connection, status, body = connect(target, f"GET /live/{target.host}/{server_id}", {})
    connection.close()
    if status != 200:
        raise FetchError(f"The target host refuses the guest ({status}).", code="no_target")
    return dict(json.loads(body))


def give(target: MoveSource, server_id: ServerId, name: str, content: bytes) -> None:
    """Give a target a small file of a guest. Raises: FetchError; OSError."""
    connection, status, _ = connect(target, f"PUT /live/{target.host}/{server_id}/{name}", {}, content)
    connection.close()
    if status != 204:
        raise FetchError(f"The target host refuses a file of the guest ({status}).", code="no_target")


class Tunnels:
    """Local ends of tunnels to one target; they end with the block."""

    def __init__(self, target: MoveSource, server_id: ServerId) -> None:
        """Nothing listens yet."""
        self._target = target
        self._path = f"/live/{target.host}/{server_id}/tunnel"
        self._lock = threading.Lock()
        self._sockets: dict[str, list[socket.socket]] = {}
        self._cut: set[str] = set()

    def __enter__(self) -> Tunnels:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close all."""
        self.cut(*self._sockets)

    def cut(self, *kinds: str) -> None:
        """End what is carried of these kinds, for good: nothing is carried for them any more. May be repeated."""
        with self._lock:
            self._cut.update(kinds)
            ended = [one for what in kinds for one in self._sockets.get(what, ())]
        for one in ended:
            streams.close(one)

    def listen_tcp(self, port: int, what: str) -> None:
        """Carry connections to a port of this host's own address. Raises: OSError when it is taken."""
        listening = socket.create_server((NEAR_ADDRESS, port))
        self._serve(listening, what)

    def listen_unix(self, path: Path, what: str) -> None:
        """Carry connections to a socket in the file system."""
        path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(path))
        path.chmod(0o600)
        listening.listen(4)
        self._serve(listening, what)

    def _serve(self, listening: socket.socket, what: str) -> None:
        self._keep(what, listening)
        threading.Thread(target=self._accept, args=(listening, what), name=f"tunnel-{what}", daemon=True).start()

    def _accept(self, listening: socket.socket, what: str) -> None:
        while True:
            try:
                near, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(near, what), daemon=True).start()

    def _carry(self, near: socket.socket, what: str) -> None:
        try:
            far, status, _ = connect(self._target, f"GET {self._path}/{what}", {"Upgrade": "nova-lite-tunnel"})
        except (OSError, FetchError) as error:
            LOG.warning("A tunnel to another host cannot be opened: %s", type(error).__name__)
            near.close()
            return
        if status == 101 and self._keep(what, near, far):
            far.settimeout(None)
            pipe(near, far)
        near.close()
        far.close()

    def _keep(self, what: str, *sockets: socket.socket) -> bool:
        """Remember what is to be closed; give whether this kind is carried still."""
        with self._lock:
            self._sockets.setdefault(what, []).extend(sockets)
            return what not in self._cut
