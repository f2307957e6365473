"""A way to PostgreSQL that can be cut just after a COMMIT went through, before its answer comes back."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path

import sqlalchemy as sa

COMMIT = b"COMMIT\0"
ROLLBACK = b"ROLLBACK\0"
ANSWER_S = 10.0


class CommitCutter:
    """A server on a loopback port that passes everything to PostgreSQL's socket in `folder`. `cuts` counts the cuts."""

    def __init__(self, folder: str) -> None:
        self._target = next(str(path) for path in Path(folder).glob(".s.PGSQL.*") if path.suffix != ".lock")
        self._wanted = 0
        self._about = b""
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._answered: dict[socket.socket, threading.Event] = {}  # of servers that have been told to commit
        self.cuts = 0

    def __enter__(self) -> CommitCutter:
        self._server = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self._server, *self._open):
            _end(one)

    def url(self, url: str) -> sa.URL:
        """Give a URL that goes this way."""
        parsed = sa.make_url(url)
        return parsed.set(host="127.0.0.1", port=self._server.getsockname()[1], query={})

    def cut_next(self, count: int = 1, about: bytes = b"") -> None:
        """Cut the next connections that commit, that many; with `about` those whose transaction has sent these bytes."""
        with self._lock:
            self._wanted, self._about = count, about

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._let_in(self._server.accept()[0])

    def _let_in(self, client: socket.socket) -> None:
        """Lead a connection to PostgreSQL; end it when that is away just now."""
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(self._target)
        except OSError:
            _end(server)
            _end(client)
            return
        self._open += [client, server]
        threading.Thread(target=self._pass_on, args=(client, server, True), daemon=True).start()
        threading.Thread(target=self._pass_on, args=(server, client, False), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, asks: bool) -> None:
        sent = b""
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sent = sent + data if asks else b""
                if source in self._answered:  # it has committed, and the client does not hear of it
                    break
                if COMMIT in sent and self._take(sent):
                    answered = self._answered[target] = threading.Event()
                    target.sendall(data)
                    answered.wait(ANSWER_S)
                    break
                target.sendall(data)
                if COMMIT in sent or ROLLBACK in sent:
                    sent = b""
        if source in self._answered:
            self._answered.pop(source).set()
        _end(source)
        _end(target)

    def _take(self, sent: bytes) -> bool:
        with self._lock:
            if not self._wanted or self._about not in sent:
                return False
            self._wanted -= 1
            self.cuts += 1
            return True


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
