"""What a driver does for moves of guests that are off: setting aside, bringing, finishing, taking back.

Every method may be called twice with the same arguments, and after a crash at any point of an earlier call. At no moment
do two guests of one server run on a host: what is set aside is none.
"""

from __future__ import annotations

import threading
from typing import Protocol

from nova_lite.compute.moving.door import Offer
from nova_lite.model.guest import GuestSpec, PowerState
from nova_lite.model.ids import ServerId
from nova_lite.rpc.commands import MoveSource


class Moves(Protocol):
    """The part of a hypervisor that moves guests."""

    def hold(self, server_id: ServerId, token_sha256: str | None, graceful_s: float, stop: threading.Event) -> None:
        """Turn the guest off and set all of it aside; who shows the token may fetch its disks.

        Raises: VirtError with code `no_guest` when there is neither a guest nor something set aside; Stopped.
        """

    def offer_of(self, server_id: ServerId) -> Offer | None:
        """Give what of a server may be fetched from here, and by which token; None: nothing."""

    def bring(self, spec: GuestSpec, source: MoveSource | None, stop: threading.Event) -> None:
        """Have the server's disks here, as large as `spec` says, from another host or (None) of what is set aside here.

        Raises: VirtError; Stopped (what came stays for the next call, or for `remove_guest`).
        """

    def finish(self, spec: GuestSpec, *, running: bool, stop: threading.Event) -> PowerState:
        """Have a guest over the disks that were brought, on or off. Raises: VirtError; Stopped."""

    def restore(self, server_id: ServerId, *, running: bool) -> PowerState:
        """Have the guest again that was set aside, in place of any other of the server, on or off.

        With nothing set aside the guest that is here is turned on or off. Raises: VirtError, also with code `no_guest`.
        """

    def drop(self, server_id: ServerId) -> None:
        """Forget what is set aside; nothing there is success."""
