"""What a hypervisor does to the network cards of a guest that is there."""

from __future__ import annotations

import threading
from typing import Protocol

from nova_lite.model.guest import GuestInterface
from nova_lite.model.ids import ServerId


class GuestInterfaces(Protocol):
    """The part of a driver that plugs cards in and out. Rules of repeating as in `VirtDriver`."""

    def ensure(self, server_id: ServerId, interfaces: tuple[GuestInterface, ...], stop: threading.Event) -> None:
        """Have the guest with these interfaces and no others, now and after its next start; what it has already stays.

        A running guest must let go of a card itself; it is asked for a while. What was done stays when this fails.
        Raises: VirtError, with code `no_guest`, or `held` when the guest does not let go; Stopped.
        """
