"""Whether a host hears what is sent to it: it sends itself a message through its own queue, and listens anew if that is lost.

A connection may look whole while its queue is gone or its consumer was dropped; no library tells.
"""

from __future__ import annotations

import logging

from nova_lite.clock import Clock
from nova_lite.model.ids import HostName
from nova_lite.rpc import compute as conversation
from nova_lite.rpc.port import Listener, Transport

LOG = logging.getLogger(__name__)
TEST_S = 8.0
LOST_S = 4.0
RETRY_S = 2.0


class Hearing:
    """The test, turn by turn."""

    def __init__(self, host: HostName, transport: Transport, clock: Clock) -> None:
        """Without `listener` nothing is tested."""
        self.listener: Listener | None = None
        self._host = host
        self._transport = transport
        self._clock = clock
        self._number = 0
        self._awaited: int | None = None
        self._heard = 0
        self._deaf_since: float | None = None

    def test(self) -> float:
        """Send a message, or look whether the last one came; give the seconds until the next turn. Raises: Unavailable."""
        if self.listener is None or not self.listener.wait_ready(0):
            return RETRY_S
        if self._awaited is not None:
            if self._is_lost():
                LOG.warning("The host does not hear its own messages; it listens anew.", extra={"host": self._host})
                self.listener.restart()
            return TEST_S - LOST_S
        self._number += 1
        body = {"host": self._host, "number": self._number}
        self._transport.cast(conversation.address(self._host), "self_test", body)
        self._awaited = self._number
        return LOST_S

    def heard(self, number: object) -> None:
        """Take a message of our own."""
        if isinstance(number, int):
            self._heard = max(self._heard, number)

    def deaf_for(self) -> float:
        """Give for how many seconds nothing was heard that should have been."""
        return 0.0 if self._deaf_since is None else self._clock.monotonic() - self._deaf_since

    def _is_lost(self) -> bool:
        awaited, self._awaited = self._awaited, None
        if awaited is None or self._heard >= awaited:
            self._deaf_since = None
            return False
        self._deaf_since = self._deaf_since or self._clock.monotonic()
        return True
