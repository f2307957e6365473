"""The conversation with the conductors: doorbells from the api, registrations, heartbeats and reports from hosts.

All of it may come twice, late or never. Hosts' messages carry the host's MAC, which the receiving side checks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol

from nova_lite.model import wire
from nova_lite.model.guest import GuestState, PowerState
from nova_lite.model.host import HostFacts
from nova_lite.model.ids import HostName, OperationId, ServerId
from nova_lite.model.migration import Progress
from nova_lite.rpc.port import Address, Envelope, Transport

ADDRESS = Address("conductor")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Doorbell:
    """An operation is due now; a poll finds it anyway within a second."""

    operation_id: OperationId


@dataclasses.dataclass(frozen=True, kw_only=True)
class Registration:
    """A compute daemon has started. Repeated until a Welcome with its nonce comes."""

    host: HostName
    nonce: str
    facts: HostFacts
    guests: tuple[GuestState, ...] = ()
    booted: bool = False  # the machine was booted since, and its guests that were to run are to be started
    counts_looks: bool = False  # then the guests count in its first heartbeat only: a registration may be an old one


@dataclasses.dataclass(frozen=True, kw_only=True)
class Heartbeat:
    """A host lives. `guests` is what it sees, for the power-state reconciler (sent whole, it is small).

    `look` counts, from 1 in each incarnation, how often the host looked at its guests: a lower number is an older sight.
    A host of release 1.0 does not count.
    """

    host: HostName
    incarnation: int
    guests: tuple[GuestState, ...] = ()
    facts: HostFacts | None = None  # only when they changed
    look: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fault:
    """What went wrong on a host. `host_at_fault`: another host may well succeed."""

    code: str
    message: str
    host_at_fault: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """The answer to a command of one step, direction and attempt; repeated with the same id until acknowledged."""

    id: str
    host: HostName
    incarnation: int
    server_id: ServerId
    operation_id: OperationId
    step: str
    unwinding: bool
    attempt: int
    fence: int
    turn: int
    fault: Fault | None = None
    power_state: PowerState | None = None
    worked_s: float | None = None  # how long the host worked on it; the rest was waiting and messages
    image_bytes: int | None = None  # read from the image service; 0: the host had the image
    look_incarnation: int | None = None  # looks of this incarnation with lower numbers are older than what is reported
    look: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class PowerChange:
    """A guest's power changed without a command (it shut itself down, it crashed). `look` as in Heartbeat."""

    host: HostName
    incarnation: int
    server_id: ServerId
    power_state: PowerState
    look: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class TombstoneDone:
    """A removal that was owed is done; repeated until acknowledged by `report_id`."""

    report_id: str
    host: HostName
    server_id: ServerId
    fence: int
    turn: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class MoveProgress:
    """How far a host is with a move; only shown, so it comes once or never."""

    host: HostName
    server_id: ServerId
    operation_id: OperationId
    progress: Progress


@dataclasses.dataclass(frozen=True, kw_only=True)
class GuestPassword:
    """What a guest wrote as its password, encrypted by its user's key; repeated until acknowledged by `report_id`."""

    report_id: str
    host: HostName
    server_id: ServerId
    password: str


class ConductorPort(Protocol):
    """What a host says; every method only sends."""

    def register(self, message: Registration) -> None:
        """Say that the daemon started. Raises: Unavailable when the broker is away."""

    def heartbeat(self, message: Heartbeat) -> None:
        """Say that the host lives. Raises: Unavailable when the broker is away."""

    def report(self, message: Report) -> None:
        """Answer a command. Raises: Unavailable when the broker is away."""

    def power_changed(self, message: PowerChange) -> None:
        """Tell of a power change. Raises: Unavailable when the broker is away."""

    def tombstone_done(self, message: TombstoneDone) -> None:
        """Tell of a removal that was owed. Raises: Unavailable when the broker is away."""

    def guest_password(self, message: GuestPassword) -> None:
        """Hand a guest's password on. Raises: Unavailable when the broker is away."""


class ProgressPort(Protocol):
    """Where hosts tell how far they are."""

    def move_progress(self, message: MoveProgress) -> None:
        """Tell how far a move is. Raises: Unavailable when the broker is away."""


class ConductorClient:
    """Sends to the conductors over a transport."""

    def __init__(self, transport: Transport) -> None:
        """`transport` adds the host's MAC when it was made with a host's key."""
        self._transport = transport

    def ring(self, message: Doorbell, envelope: Envelope | None = None) -> None:
        """Say that an operation is due. Raises: Unavailable when the broker is away."""
        self._transport.cast(ADDRESS, "ring", wire.to_plain(message), envelope)

    def probe(self) -> None:
        """Say nothing: what counts is whether it can be said. Raises: Unavailable when the broker is away."""
        self._transport.cast(ADDRESS, "probe", {})

    def register(self, message: Registration) -> None:
        """Say that the daemon started. Raises: Unavailable when the broker is away."""
        self._transport.cast(ADDRESS, "register", wire.to_plain(message))

    def heartbeat(self, message: Heartbeat) -> None:
        """Say that the host lives. Raises: Unavailable when the broker is away."""
        self._transport.cast(ADDRESS, "heartbeat", wire.to_plain(message))

    def report(self, message: Report) -> None:
        """Answer a command. Raises: Unavailable when the broker is away."""
        self._transport.cast(ADDRESS, "report", wire.to_plain(message), Envelope(operation_id=message.operation_id))

    def power_changed(self, message: PowerChange) -> None:
        """Tell of a power change. Raises: Unavailable when the broker is away."""
        self._transport.cast(ADDRESS, "power_changed", wire.to_plain(message))

    def tombstone_done(self, message: TombstoneDone) -> None:
        """Tell of a removal that was owed. Raises: Unavailable when the broker is away."""
        self._transport.cast(ADDRESS, "tombstone_done", wire.to_plain(message))

    def move_progress(self, message: MoveProgress) -> None:
        """Tell how far a move is. Raises: Unavailable when the broker is away."""
        self._transport.cast(ADDRESS, "move_progress", wire.to_plain(message))

    def guest_password(self, message: GuestPassword) -> None:
        """Hand a guest's password on. Raises: Unavailable when the broker is away."""
        self._transport.cast(ADDRESS, "guest_password", wire.to_plain(message))


class ConductorHandlers(Protocol):
    """What a conductor serves."""

    def ring(self, body: Mapping[str, Any]) -> None:
        """Handle Doorbell."""

    def register(self, body: Mapping[str, Any]) -> None:
        """Handle Registration."""

    def heartbeat(self, body: Mapping[str, Any]) -> None:
        """Handle Heartbeat."""

    def report(self, body: Mapping[str, Any]) -> None:
        """Handle Report."""

    def power_changed(self, body: Mapping[str, Any]) -> None:
        """Handle PowerChange."""

    def tombstone_done(self, body: Mapping[str, Any]) -> None:
        """Handle TombstoneDone."""

    def move_progress(self, body: Mapping[str, Any]) -> None:
        """Handle MoveProgress."""

    def guest_password(self, body: Mapping[str, Any]) -> None:
        """Handle GuestPassword."""
