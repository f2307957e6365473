"""The conversation with a compute host: its welcome, commands (rpc/commands.py), and the few reads that wait for an answer."""

from __future__ import annotations

import dataclasses
from typing import Protocol

from nova_lite.model import wire
from nova_lite.model.console import ConsoleKind, ConsolePlace
from nova_lite.model.diagnostics import Diagnostics
from nova_lite.model.ids import HostName, ServerId
from nova_lite.model.image import ImageSource
from nova_lite.rpc.commands import Command
from nova_lite.rpc.port import Address, Envelope, Transport


def address(host: HostName) -> Address:
    """Give a host's own topic: its queues, and its broker user's rights, all begin with it."""
    return Address(f"compute.{host}", host)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tombstone:
    """A removal a host still owes; it spares a guest made under a higher pair."""

    server_id: ServerId
    fence: int
    turn: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Welcome:
    """The answer to a registration: the incarnation that commands name from now on, and the removals owed.

    Without a nonce it answers a heartbeat: removals that the host owes in its present incarnation, or none and incarnation 0,
    which asks it to register again instead of going on in the incarnation `refused` (None: whichever it has).
    """

    nonce: str
    incarnation: int
    tombstones: tuple[Tombstone, ...] = ()
    refused: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class AckReport:
    """A report, registration or tombstone notice was committed; do not repeat it."""

    report_id: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class GetConsoleOutput:
    """The newest lines of a guest's serial console; None: all that is kept."""

    server_id: ServerId
    lines: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class GetDiagnostics:
    """What a running guest uses at this moment."""

    server_id: ServerId


@dataclasses.dataclass(frozen=True, kw_only=True)
class ForceLive:
    """A live migration that goes on is to end now; without one, nothing happens."""

    server_id: ServerId


@dataclasses.dataclass(frozen=True, kw_only=True)
class GetConsole:
    """Whether a running guest has such a console, and where the proxy finds it; with `lets_in` it is let in once, soon."""

    server_id: ServerId
    kind: ConsoleKind
    lets_in: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class CacheImages:
    """The host is to have these images before a server needs them. Nothing is reported, and the tickets end."""

    images: tuple[ImageSource, ...]


class ComputePort(Protocol):
    """What a workflow may ask of hosts. It only sends; answers come as reports."""

    def order(self, host: HostName, command: Command) -> None:
        """Send a command. Raises: Unavailable when the broker is away."""


class ComputeClient:
    """Sends to hosts over a transport."""

    def __init__(self, transport: Transport) -> None:
        """`transport` signs what it sends to hosts when it was made with the control side's key."""
        self._transport = transport

    def order(self, host: HostName, command: Command) -> None:
        """Send a command. Raises: Unavailable when the broker is away."""
        head = command.head
        envelope = Envelope(request_id=head.request_id, operation_id=head.operation_id, time_left_s=head.time_left_s)
        self._transport.cast(address(host), command.method, wire.to_plain(command), envelope)

    def welcome(self, host: HostName, message: Welcome) -> None:
        """Answer a registration. Raises: Unavailable when the broker is away."""
        self._transport.cast(address(host), "welcome", wire.to_plain(message))

    def ack_report(self, host: HostName, report_id: str) -> None:
        """Tell a host that its report is committed. Raises: Unavailable when the broker is away."""
        self._transport.cast(address(host), "ack_report", wire.to_plain(AckReport(report_id=report_id)))

    def get_console_output(self, host: HostName, message: GetConsoleOutput, *, timeout_s: float = 5.0) -> str:
        """Read a console. Raises: Unavailable when the host does not answer; NotFound when it has no such guest."""
        answer = self._transport.call(address(host), "get_console_output", wire.to_plain(message), timeout_s=timeout_s)
        return str(answer["output"])

    def get_diagnostics(self, host: HostName, message: GetDiagnostics, *, timeout_s: float = 5.0) -> Diagnostics:
        """Ask what a guest uses.

        Raises: Unavailable when the host does not answer, or is of a release that cannot; NotFound when it has no such guest;
        Conflict when the guest does not run.
        """
        answer = self._transport.call(address(host), "get_diagnostics", wire.to_plain(message), timeout_s=timeout_s)
        return wire.from_plain(Diagnostics, answer)

    def force_live(self, host: HostName, message: ForceLive, *, timeout_s: float = 5.0) -> None:
        """Have a live migration end now. Raises: Unavailable when the host does not answer."""
        self._transport.call(address(host), "force_live", wire.to_plain(message), timeout_s=timeout_s)

    def get_console(self, host: HostName, message: GetConsole, *, timeout_s: float = 5.0) -> ConsolePlace:
        """Ask where a guest's console is.

        Raises: as `get_diagnostics`; BadRequest when the host has no console of that kind.
        """
        answer = self._transport.call(address(host), "get_console", wire.to_plain(message), timeout_s=timeout_s)
        return wire.from_plain(ConsolePlace, answer)

    def cache_images(self, host: HostName, message: CacheImages, envelope: Envelope | None = None) -> None:
        """Have a host fetch images. May be repeated. Raises: Unavailable when the broker is away."""
        self._transport.cast(address(host), "cache_images", wire.to_plain(message), envelope)

    def get_uptime(self, host: HostName, *, timeout_s: float = 5.0) -> str:
        """Ask how long a host is up, in its own words. Raises: Unavailable when it does not answer."""
        return str(self._transport.call(address(host), "get_uptime", {}, timeout_s=timeout_s)["uptime"])
