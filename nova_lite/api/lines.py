"""Who waits at the door of a lane: each token in turn, so that a flood stands in its own way and not in that of others."""

from __future__ import annotations

import dataclasses
import re
import socket
from collections import deque
from collections.abc import Iterator
from typing import Any

from nova_lite.api.admission import BURST_S, LINES, PATIENCE_S
from nova_lite.api.lanes import Lane

AT_THE_DOOR = 64  # of a lane whose kind has no line of its own
_TOKEN = re.compile(rb"\r\nx-auth-token:[ \t]*([^\r\n]+)", re.IGNORECASE)


@dataclasses.dataclass(slots=True, kw_only=True, eq=False)
class Visitor:
    """A connection at the door. `since`: when its request came, or since when it has been silent (monotonic clock)."""

    sock: socket.socket
    client: tuple[Any, ...]
    since: float
    head: bytes = b""
    spoke: bool = False  # has had an answer before

    @property
    def owner(self) -> bytes:
        """Tell whose turn it takes: the token's, or its address's when it shows none."""
        shown = _TOKEN.search(self.head)
        return shown[1] if shown else str(self.client[:1]).encode()


class Line:
    """The visitors of one lane."""

    def __init__(self, lane: Lane) -> None:
        """Nobody waits yet."""
        self._allowed = LINES.get(lane.value, AT_THE_DOOR)
        self._queues: dict[bytes, deque[Visitor]] = {}
        self.length = 0

    def join(self, visitor: Visitor) -> None:
        """Let one more wait."""
        self._queues.setdefault(visitor.owner, deque()).append(visitor)
        self.length += 1

    def first(self) -> Visitor:
        """Give whose turn it is; there must be one."""
        return next(iter(self._queues.values()))[0]

    def pass_on(self) -> None:
        """Let the first one go; then it is another owner's turn."""
        owner = next(iter(self._queues))
        queue = self._queues.pop(owner)
        queue.popleft()
        self.length -= 1
        if queue:
            self._queues[owner] = queue

    def give_up(self, now: float) -> Iterator[Visitor]:
        """Take out who has waited too long: in a burst that is `BURST_S`, in a line that is too long `PATIENCE_S`.

        Of a long line those of the owner go first who has most in it.
        """
        for owner in list(self._queues):
            while owner in self._queues and now - self._queues[owner][0].since >= BURST_S:
                yield self._out(owner)
        while self.length > self._allowed:
            owner = max(self._queues, key=lambda one: len(self._queues[one]))
            if now - self._queues[owner][0].since < PATIENCE_S:
                return
            yield self._out(owner)

    def _out(self, owner: bytes) -> Visitor:
        visitor = self._queues[owner].popleft()
        self.length -= 1
        if not self._queues[owner]:
            del self._queues[owner]
        return visitor
