"""What a driver needs of the host's networks: bridges, taps, firewall, DHCP and metadata."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from nova_lite.model.guest import GuestInterface, GuestSpec
from nova_lite.model.ids import ServerId


class WiringError(Exception):
    """The host's network could not be made as wanted; another host may well succeed."""

    def __init__(self, message: str) -> None:
        """`message` is a sentence for the server's owner."""
        super().__init__(message)
        self.message = message


class Wiring(Protocol):
    """The host's side of networks. Every method may be called twice, and after a crash at any point of an earlier call.

    Methods of different servers may run side by side; calls for one server never do.
    """

    def begin(self) -> None:
        """Look after what was made, from now on, and remove networks of an earlier daemon that no guest here has any more."""

    def ensure_network(self, interface: GuestInterface) -> None:
        """Have the bridge of the interface's network, its DHCP and its metadata service. Raises: WiringError."""

    def plug(self, server_id: ServerId, interface: GuestInterface) -> str:
        """Have a tap for the interface, attached to the bridge, that lets only its own addresses out; give its name.

        Raises: WiringError.
        """

    def unplug(self, server_id: ServerId) -> None:
        """Remove all taps, rules, DHCP and metadata of the server; nothing to remove is success. Raises: WiringError."""

    def unplug_one(self, server_id: ServerId, interface: GuestInterface) -> None:
        """Remove the tap of one interface, its rules and its DHCP; nothing to remove is success. Raises: WiringError."""

    def set_metadata(self, spec: GuestSpec) -> None:
        """Answer the guest's metadata requests from this spec from now on. Raises: WiringError."""

    def listen_to_passwords(self, listener: Callable[[ServerId, str], None]) -> None:
        """Call `listener` when a guest writes its password to the metadata service."""

    def taps(self, server_id: ServerId) -> tuple[str, ...]:
        """List the server's taps that are there."""
