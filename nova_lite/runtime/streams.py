"""Carries bytes between two sockets, and ends sockets that other threads wait for."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable

CHUNK = 64 * 1024
WANTS = (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError)


class _Side:
    """One socket, and what it has still to take."""

    def __init__(self, one: socket.socket) -> None:
        one.setblocking(False)
        self.socket = one
        self.owed = b""

    def has_read_ahead(self) -> bool:
        """Whether TLS holds bytes that no poll tells of."""
        return isinstance(self.socket, ssl.SSLSocket) and self.socket.pending() > 0

    def read(self) -> bytes | None:
        """Give what came, None for nothing yet. Raises: EOFError at the end."""
        try:
            data = self.socket.recv(CHUNK)
        except WANTS:
            return None
        if not data:
            raise EOFError
        return data

    def write(self) -> None:
        """Send of what is owed as much as goes."""
        with contextlib.suppress(*WANTS):
            self.owed = self.owed[self.socket.send(self.owed) :]


def carry(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until either side ends. Holds at most 64 KiB of each way.

    In one thread, since TLS cannot be read and written by two at once. Ends too when another thread shuts a side.
    """
    sides = (_Side(one), _Side(other))
    with contextlib.suppress(OSError, EOFError, ValueError):
        while True:
            _wait(sides)
            for source, target in (sides, sides[::-1]):
                if not target.owed:
                    target.owed = source.read() or b""
                if target.owed:
                    target.write()
    shut(one)
    shut(other)


def _wait(sides: tuple[_Side, _Side]) -> None:
    """Wait until a side can be read into an empty buffer, or takes what it is owed."""
    poll = select.poll()
    ahead = False
    for side, opposite in (sides, sides[::-1]):
        ahead = ahead or (not opposite.owed and side.has_read_ahead())
        wanted = (0 if opposite.owed else select.POLLIN) | (select.POLLOUT if side.owed else 0)
        poll.register(side.socket, wanted)
    for _, event in poll.poll(0 if ahead else None):
        if event & (select.POLLERR | select.POLLNVAL):
            raise EOFError


def shut(one: socket.socket) -> None:
    """Have who waits for this socket in another thread return."""
    with contextlib.suppress(OSError, ValueError):
        one.shutdown(socket.SHUT_RDWR)


def close(one: socket.socket) -> None:
    """End a socket."""
    shut(one)
    with contextlib.suppress(OSError):
        one.close()


def give_up_after(one: socket.socket, milliseconds: int) -> None:
    """Have the kernel end a TCP connection whose peer takes nothing for so long, and send small things at once."""
    if one.family in (socket.AF_INET, socket.AF_INET6):
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def probe(one: socket.socket, *, every_s: int, tries: int) -> None:
    """Have the kernel end a TCP connection whose peer is dead though nothing is sent: it asks it every so many seconds."""
    one.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, every_s)
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, every_s)
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, tries)


def served_by(serve: Callable[[socket.socket], None], name: str) -> socket.socket:
    """Give a socket whose other end a thread serves, until `serve` returns."""
    near, far = socket.socketpair()

    def run() -> None:
        try:
            serve(far)
        finally:
            close(far)

    threading.Thread(target=run, name=name, daemon=True).start()
    return near
