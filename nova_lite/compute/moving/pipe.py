"""Bytes both ways between two sockets."""

from __future__ import annotations

import contextlib
import socket
import threading

PIECE = 1 << 18


def pipe(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until either side ends."""
    back = threading.Thread(target=_one_way, args=(other, one), daemon=True)
    back.start()
    _one_way(one, other)
    back.join()


def _one_way(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError, ValueError):
        while data := source.recv(PIECE):
            target.sendall(data)
    for one in (source, target):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
