"""What a hypervisor does to a guest that is there: holding it, keeping its memory, talking to its agent."""

from __future__ import annotations

from typing import Protocol

from nova_lite.model.guest import PowerState
from nova_lite.model.ids import ServerId


class GuestStates(Protocol):
    """The part of a driver that pauses and suspends. Rules of repeating as in `VirtDriver`; errors are VirtError.

    Each raises VirtError with code `no_guest` when there is no such guest, and `not_running` when it would have to run.
    """

    def pause(self, server_id: ServerId) -> PowerState:
        """Stop a running guest's CPUs; one that is paused is left alone."""

    def suspend(self, server_id: ServerId) -> PowerState:
        """Keep the guest's memory in a file of the host and turn it off; one that is suspended is left alone.

        `power_on` lets it go on where it was, after a reboot of the host too; `power_off` and a reboot drop the memory.
        """

    def set_password(self, server_id: ServerId, user: str | None, password: str) -> None:
        """Have the guest's agent set a password (None: the administrator's). Raises: VirtError with code `no_agent`."""

    def interrupt(self, server_id: ServerId) -> None:
        """Send the guest an NMI. Not to be repeated: the caller remembers that it was done."""

    def rewire(self, server_id: ServerId) -> None:
        """Have the guest's taps, addresses and metadata on the host as they were ordered."""
