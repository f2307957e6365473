"""What a compute daemon needs of a hypervisor. Each driver passes the contract tests in tests/unit/compute/virt/.

Every method may be called twice with the same arguments, and after a crash at any point of an earlier call; it ends
in the same state. Methods of different servers may run side by side; calls for one server never do.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Protocol

from nova_lite.compute.virt.interfaces import GuestInterfaces
from nova_lite.compute.virt.live import LiveMoves
from nova_lite.compute.virt.moves import Moves
from nova_lite.compute.virt.renewal import GuestRenewal
from nova_lite.compute.virt.snapshots import Snapshots
from nova_lite.compute.virt.states import GuestStates
from nova_lite.model.console import ConsoleKind
from nova_lite.model.diagnostics import Diagnostics
from nova_lite.model.guest import GuestSpec, GuestState, PowerState
from nova_lite.model.host import HostFacts
from nova_lite.model.ids import ServerId
from nova_lite.model.image import ImageSource

OpenConsole = Callable[[], socket.socket]
PowerListener = Callable[[ServerId, PowerState], None]
PasswordListener = Callable[[ServerId, str], None]


class VirtError(Exception):
    """The hypervisor refused or failed. `host_at_fault` says that another host may well succeed."""

    def __init__(self, message: str, *, code: str = "virt", host_at_fault: bool = True) -> None:
        """`message` is a sentence for the server's owner."""
        super().__init__(message)
        self.message = message
        self.code = code
        self.host_at_fault = host_at_fault


class Stopped(Exception):
    """The work was given up because `stop` was set: a command with a higher pair wants something else."""


class Consoles(Protocol):
    """The guests' consoles, to be connected to."""

    def find(self, server_id: ServerId, kind: ConsoleKind) -> OpenConsole | None:
        """Give what connects to a running guest's console; None while it does not run.

        The socket ends when the guest does. Of serial consoles the newest connection counts: it ends the one before.
        Raises: VirtError with code `no_guest`, or `no_console` for a kind that the guest does not have; what is given too.
        """


class VirtDriver(Protocol):
    """A hypervisor. What it does beside having guests stands in parts, a file each."""

    states: GuestStates
    renewal: GuestRenewal

    @property
    def interfaces(self) -> GuestInterfaces:
        """Give the part that plugs network cards in and out."""

    @property
    def snapshots(self) -> Snapshots:
        """Give the part that takes snapshots."""

    @property
    def moves(self) -> Moves:
        """Give the part that moves guests."""

    @property
    def live(self) -> LiveMoves:
        """Give the part that moves running guests."""

    @property
    def consoles(self) -> Consoles:
        """The guests' consoles."""

    def facts(self) -> HostFacts:
        """Give what the host is and has. Raises: VirtError when the hypervisor does not answer."""

    def adopt(self) -> None:
        """Make good for the guests that are here what a restart of the daemon or the machine took away: taps, metadata.

        Guests themselves are not touched. Raises: VirtError.
        """

    def list_guests(self) -> tuple[GuestState, ...]:
        """List the guests of this cloud on this host (others' are never touched or listed)."""

    def ensure_guest(self, spec: GuestSpec, stop: threading.Event) -> PowerState:
        """Make and start the guest with its disks and interfaces, or find it running.

        Raises: VirtError; Stopped once `stop` is set (half-made things stay for `remove_guest`).
        """

    def cache_image(self, source: ImageSource, stop: threading.Event) -> None:
        """Have an image here for guests to come. Raises: VirtError; Stopped, and what came is kept."""

    def remove_guest(self, server_id: ServerId) -> None:
        """Destroy the guest and remove its disks, taps, metadata and console log; nothing to remove is success."""

    def power_on(self, server_id: ServerId) -> PowerState:
        """Start a stopped guest, from its own disks; a running one is left alone. Raises: VirtError."""

    def power_off(self, server_id: ServerId, graceful_s: float, stop: threading.Event) -> PowerState:
        """Ask the guest to shut down, pull the plug after `graceful_s` seconds. Raises: VirtError, Stopped."""

    def reboot(self, server_id: ServerId, *, hard: bool, graceful_s: float, stop: threading.Event) -> PowerState:
        """Reboot: soft asks the guest and falls back to hard after `graceful_s` seconds. Raises: VirtError, Stopped."""

    def console_output(self, server_id: ServerId, lines: int | None) -> bytes:
        """Give the newest lines of the serial console, at most 1 MiB. Raises: VirtError with code `no_guest`."""

    def diagnostics(self, server_id: ServerId) -> Diagnostics | None:
        """Give what a running guest uses; None while it does not run. Raises: VirtError with code `no_guest`."""

    def listen(self, listener: PowerListener) -> None:
        """Call `listener` from now on when a guest's power changes, whoever caused it."""

    def listen_to_passwords(self, listener: PasswordListener) -> None:
        """Call `listener` from now on when a guest writes its password, encrypted by its user's key."""

    def close(self) -> None:
        """Let go of the hypervisor; guests keep running."""
