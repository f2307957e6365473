"""Network cards of the fake driver's guests. Its guests let go at once."""

from __future__ import annotations

import threading

from nova_lite.compute.virt.fake.guests import Guests
from nova_lite.compute.virt.fake.mishaps import Mishaps
from nova_lite.model.guest import GuestInterface
from nova_lite.model.ids import ServerId


class FakeInterfaces:
    """Fulfils GuestInterfaces in the file of guests."""

    def __init__(self, guests: Guests, mishaps: Mishaps) -> None:
        """Nothing is done here."""
        self._guests = guests
        self._mishaps = mishaps

    def ensure(self, server_id: ServerId, interfaces: tuple[GuestInterface, ...], stop: threading.Event) -> None:
        """Write the cards down by their MAC addresses."""
        self._mishaps.befall("ensure_interfaces", stop)
        with self._guests.lock:
            guest = self._guests.get(server_id)
            guest["size"] = guest.get("size", {}) | {"macs": [one.mac_address for one in interfaces]}
            self._guests.save()
