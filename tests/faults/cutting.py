"""A proxy on the loopback that cuts connections at a random byte of the request or of the answer."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
from types import TracebackType

REQUEST_BYTES, ANSWER_BYTES = 900, 900  # a cut further on than there are bytes is none
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: a reset at once, so that no half answer looks like a whole one
PATIENCE_S = 60.0


class CuttingProxy:
    """Passes connections on to a port of this machine, in threads; cuts most of them. Counts what it cut."""

    def __init__(self, port: int, seed: int) -> None:
        self._upstream = port
        self._seed = seed
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._lock = threading.Lock()
        self.cut_requests = 0
        self.cut_answers = 0
        self.connections = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> CuttingProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                chance = random.Random(f"{self._seed} {self.connections}")
                threading.Thread(target=self._serve, args=(client, chance), daemon=True).start()

    def _serve(self, client: socket.socket, chance: random.Random) -> None:
        """Carry one connection: bytes of the request until its cut, bytes of the answer until its cut."""
        request_end, answer_end = self._plan(chance)
        with contextlib.closing(client), contextlib.suppress(OSError):
            client.settimeout(PATIENCE_S)
            with socket.create_connection(("127.0.0.1", self._upstream), timeout=PATIENCE_S) as server:
                upwards = threading.Thread(target=self._carry_request, args=(client, server, request_end), daemon=True)
                upwards.start()
                try:
                    if _carry(server, client, answer_end):
                        self._count(answer=True)
                        _cut(client, server)
                finally:
                    _wake(client, server)
                    upwards.join(PATIENCE_S)  # a socket that a thread reads from is not closed

    @staticmethod
    def _plan(chance: random.Random) -> tuple[int | None, int | None]:
        """Choose after how many bytes the request or the answer is cut; a third of the connections is left whole."""
        match chance.randrange(3):
            case 0:
                return chance.randrange(REQUEST_BYTES), None
            case 1:
                return None, chance.randrange(ANSWER_BYTES)
        return None, None

    def _carry_request(self, client: socket.socket, server: socket.socket, end: int | None) -> None:
        with contextlib.suppress(OSError):
            if _carry(client, server, end):
                self._count(answer=False)
                _cut(client, server)
                _wake(client, server)

    def _count(self, *, answer: bool) -> None:
        with self._lock:
            if answer:
                self.cut_answers += 1
            else:
                self.cut_requests += 1


def _carry(source: socket.socket, target: socket.socket, end: int | None) -> bool:
    """Pass bytes on until the source ends (False) or so many were passed (True)."""
    passed = 0
    while end is None or passed < end:
        data = source.recv(4096 if end is None else min(4096, end - passed))
        if not data:
            return False
        target.sendall(data)
        passed += len(data)
    return True


def _cut(*connections: socket.socket) -> None:
    """Have connections end with a reset when they are closed."""
    for connection in connections:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def _wake(*connections: socket.socket) -> None:
    """Have threads that wait for more come back; says nothing to the other side."""
    for connection in connections:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RD)
