"""What a hypervisor does when a guest is made anew where it is: rebuilt from an image, rescued, and back."""

from __future__ import annotations

import threading
from typing import Protocol

from nova_lite.model.guest import GuestSpec, PowerState
from nova_lite.model.ids import ServerId
from nova_lite.model.image import ImageSource


class GuestRenewal(Protocol):
    """The part of a driver that replaces guests. Rules of repeating as in `VirtDriver`; errors are VirtError and Stopped."""

    def fetch(self, image: ImageSource, stop: threading.Event) -> None:
        """Have an image at hand; it may be dropped when room is needed and nothing uses it."""

    def rebuild(self, spec: GuestSpec, stop: threading.Event, *, on: bool, keep_blanks: bool) -> PowerState:
        """Drop the guest and its disks (with `keep_blanks`: its root disk), and have it as `spec` says, running or off."""

    def rescue(self, spec: GuestSpec, stop: threading.Event) -> PowerState:
        """Have the guest run from `spec.rescue`, its own disks beside it and untouched by us."""

    def unrescue(self, server_id: ServerId, stop: threading.Event, *, on: bool) -> PowerState:
        """Have a rescued guest run from its own disks again, or off. Raises: VirtError with code `no_guest`.

        One that is not rescued is left as it is.
        """
