"""How connections go from the doorman to the processes that serve them, and back: through socket pairs made before the fork.

A message is one connection: its open socket, when its request came (the monotonic clock is the same in all processes of a
machine) and its client's address. Few fit into a pair, so who waits does so with the doorman, who knows how long each has.
"""

from __future__ import annotations

import dataclasses
import json
import socket
from typing import Any

from nova_lite.api.lanes import Lane

FEW_BYTES = 8192  # of a pair to a lane: about fifteen connections
MESSAGE_BYTES = 512


@dataclasses.dataclass(frozen=True, kw_only=True)
class Handed:
    """An open connection, non-blocking. `since`: when its request came, on the monotonic clock."""

    sock: socket.socket
    client: tuple[Any, ...]
    since: float = 0.0


class Pair:
    """One way of connections, from any number of processes to any number. Both ends do not block."""

    def __init__(self, room_bytes: int | None = None) -> None:
        """`room_bytes` bounds what may be on its way."""
        self.writing, self.reading = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self.writing, self.reading):
            end.setblocking(False)
        if room_bytes is not None:
            self.writing.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, room_bytes)

    def send(self, handed: Handed) -> bool:
        """Send a connection, and close our copy of it; False, and nothing done, when the pair is full or has no other end."""
        words = json.dumps([handed.since, handed.client]).encode()
        try:
            socket.send_fds(self.writing, [words], [handed.sock.fileno()])
        except OSError:
            return False
        handed.sock.close()
        return True

    def receive(self) -> Handed | None:
        """Take the next connection; None when none is there, or this process may have no more open files, which ends it.

        Raises: EOFError when none will come any more.
        """
        try:
            words, descriptors, _, _ = socket.recv_fds(self.reading, MESSAGE_BYTES, 1, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return None
        if not words:
            raise EOFError
        if not descriptors:
            return None
        since, client = json.loads(words)
        sock = socket.socket(fileno=descriptors[0])
        sock.setblocking(False)
        return Handed(sock=sock, client=tuple(client), since=since)


class Handoff:
    """All ways: to each lane, and back to the doorman for connections that are kept open."""

    def __init__(self) -> None:
        """Make them; before the fork."""
        self.to = {lane: Pair(FEW_BYTES) for lane in Lane}
        self.back = Pair()

    def end_writing(self) -> None:
        """Close this process's writing ends to the lanes: when the last process did, the readers see an end."""
        for pair in self.to.values():
            pair.writing.close()
