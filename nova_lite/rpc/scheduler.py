"""The conversation with the schedulers: questions answered from memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol

from nova_lite.model import wire
from nova_lite.model.ids import HostName
from nova_lite.model.placement import PlacementRequest, Ranking
from nova_lite.model.resources import Resources
from nova_lite.rpc.port import Address, Envelope, Transport

ADDRESS = Address("scheduler")
TIMEOUT_S = 5.0


class SchedulerPort(Protocol):
    """Who ranks hosts for a request."""

    def rank(self, request: PlacementRequest, envelope: Envelope | None = None) -> Ranking:
        """Give the hosts that fit, best first, and why each other does not. Reads only; may be repeated.

        Raises: Unavailable when no scheduler answers within 5 seconds.
        """


@dataclasses.dataclass(frozen=True, kw_only=True)
class HostLine:
    """A host as other services are told of it: whether it takes servers, what it offers, and what is used of that."""

    name: HostName
    zone: str
    enabled: bool
    up: bool
    limit: Resources
    used: Resources
    running: int = 0


class SchedulerClient:
    """Asks over a transport."""

    def __init__(self, transport: Transport) -> None:
        """Any scheduler may answer."""
        self._transport = transport

    def rank(self, request: PlacementRequest, envelope: Envelope | None = None) -> Ranking:
        """Give the hosts that fit, best first, and why each other does not. Raises: Unavailable."""
        plain = self._transport.call(ADDRESS, "rank", wire.to_plain(request), timeout_s=TIMEOUT_S, envelope=envelope)
        return wire.from_plain(Ranking, plain)

    def list_hosts(self, envelope: Envelope | None = None) -> tuple[HostLine, ...]:
        """Give all hosts, at most some seconds old. Reads only; may be repeated. Raises: Unavailable."""
        plain = self._transport.call(ADDRESS, "list_hosts", {}, timeout_s=TIMEOUT_S, envelope=envelope)
        return wire.from_plain(HostList, plain).hosts


@dataclasses.dataclass(frozen=True, kw_only=True)
class HostList:
    """The answer to `list_hosts`."""

    hosts: tuple[HostLine, ...] = ()


class SchedulerHandlers(Protocol):
    """What a scheduler serves."""

    def rank(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Handle a PlacementRequest: the plain form of a Ranking."""

    def list_hosts(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Handle a question without a body: the plain form of a HostList."""
