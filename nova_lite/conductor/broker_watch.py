"""Whether hosts could have been heard: a conductor sends a message now and then, to see whether the broker takes it.

A silent host is lost only when its word could have come. While the broker is away all hosts are silent, and an operation that
waits for one of them has to wait for the broker, not to give the host up.
"""

from __future__ import annotations

import math

from nova_lite import errors
from nova_lite.clock import Clock
from nova_lite.rpc import conductor as conversation
from nova_lite.rpc.port import Transport

EVERY_S = 15.0


class BrokerWatch:
    """Remembers since when the broker has taken messages. Until it is seen away it counts as never having been."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        """Nothing is sent yet."""
        self._conductors = conversation.ConductorClient(transport)
        self._clock = clock
        self._since: float | None = -math.inf

    def look(self) -> None:
        """Send one. May be repeated."""
        try:
            self._conductors.probe()
        except errors.Unavailable:
            self._since = None
        else:
            self._since = self._clock.monotonic() if self._since is None else self._since

    def heard_for_s(self) -> float:
        """Give for how many seconds hosts could have been heard; 0 while the broker is away."""
        return 0.0 if self._since is None else self._clock.monotonic() - self._since
