"""A wiring that only remembers: for simulated hosts and tests."""

from __future__ import annotations

import threading
from collections.abc import Callable

from nova_lite.compute.wiring.bridge import tap_name
from nova_lite.model.guest import GuestInterface, GuestSpec
from nova_lite.model.ids import ServerId


class FakeWiring:
    """Fulfils `wiring.port.Wiring` in memory."""

    def __init__(self) -> None:
        """Nothing is plugged."""
        self.networks: set[str] = set()
        self.plugged: dict[ServerId, list[str]] = {}
        self.specs: dict[ServerId, GuestSpec] = {}
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Nothing breaks here."""

    def ensure_network(self, interface: GuestInterface) -> None:
        """Remember the bridge."""
        self.networks.add(interface.bridge)

    def plug(self, server_id: ServerId, interface: GuestInterface) -> str:
        """Remember the tap; give its name."""
        tap = tap_name(interface.port_id)
        with self._lock:
            taps = self.plugged.setdefault(server_id, [])
            if tap not in taps:
                taps.append(tap)
        return tap

    def unplug(self, server_id: ServerId) -> None:
        """Forget all of the server."""
        with self._lock:
            self.plugged.pop(server_id, None)
            self.specs.pop(server_id, None)

    def unplug_one(self, server_id: ServerId, interface: GuestInterface) -> None:
        """Forget one tap."""
        with self._lock:
            taps = self.plugged.get(server_id, [])
            if tap_name(interface.port_id) in taps:
                taps.remove(tap_name(interface.port_id))

    def set_metadata(self, spec: GuestSpec) -> None:
        """Remember the spec."""
        self.specs[spec.server_id] = spec

    def listen_to_passwords(self, listener: Callable[[ServerId, str], None]) -> None:
        """Nobody writes one here."""

    def taps(self, server_id: ServerId) -> tuple[str, ...]:
        """List the server's taps."""
        return tuple(self.plugged.get(server_id, ()))
