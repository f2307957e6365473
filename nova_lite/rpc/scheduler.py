"""The conversation with the schedulers: one question, answered from memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from nova_lite.model import wire
from nova_lite.model.placement import PlacementRequest, Ranking
from nova_lite.rpc.port import Address, Envelope, Transport

ADDRESS = Address("scheduler")
TIMEOUT_S = 5.0


class SchedulerPort(Protocol):
    """Who ranks hosts for a request."""

    def rank(self, request: PlacementRequest, envelope: Envelope | None = None) -> Ranking:
        """Give the hosts that fit, best first, and why each other does not. Reads only; may be repeated.

        Raises: Unavailable when no scheduler answers within 5 seconds.
        """


class SchedulerClient:
    """Asks over a transport."""

    def __init__(self, transport: Transport) -> None:
        """Any scheduler may answer."""
        self._transport = transport

    def rank(self, request: PlacementRequest, envelope: Envelope | None = None) -> Ranking:
        """Give the hosts that fit, best first, and why each other does not. Raises: Unavailable."""
        plain = self._transport.call(ADDRESS, "rank", wire.to_plain(request), timeout_s=TIMEOUT_S, envelope=envelope)
        return wire.from_plain(Ranking, plain)


class SchedulerHandlers(Protocol):
    """What a scheduler serves."""

    def rank(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Handle a PlacementRequest: the plain form of a Ranking."""
