"""What a driver does for moves of running guests. Every method may be called twice, and after a crash of an earlier call."""

from __future__ import annotations

import threading
from typing import Protocol

from nova_lite.compute.moving.door import LiveOffer
from nova_lite.model.guest import GuestSpec, PowerState
from nova_lite.model.ids import ServerId
from nova_lite.rpc.commands import MoveSource


class LiveMoves(Protocol):
    """The part of a hypervisor that hands running guests over, and takes them."""

    def prepare(self, spec: GuestSpec, token: str, stop: threading.Event) -> None:
        """Make ready for a guest that comes: its image, empty disks, taps. Raises: VirtError; Stopped."""

    def live_of(self, server_id: ServerId) -> LiveOffer | None:
        """Give what who shows the token may do to hand a guest over; None: no guest is waited for."""

    def migrate(self, server_id: ServerId, target: MoveSource, stop: threading.Event) -> None:
        """Hand the guest over. Setting `stop` gives it up. One that has gone already is success.

        Raises: VirtError when the guest is still here; Stopped, and then `stay` says where it is.
        """

    def stay(self, server_id: ServerId) -> PowerState:
        """Have the guest run on here. Raises: VirtError with code `moved` when it has gone."""

    def finish(self, server_id: ServerId) -> PowerState:
        """Have the guest here that was handed over. Raises: VirtError with code `no_guest` when it is not."""

    def force(self, server_id: ServerId) -> None:
        """Let a migration that goes on end now, at the cost of the guest's standing still. Raises: VirtError."""
