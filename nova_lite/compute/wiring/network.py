"""What the host's wiring knows of a network, whatever its kind."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol

from nova_lite.compute.wiring import bridge, firewall
from nova_lite.compute.wiring.notes import Notes, Plugged
from nova_lite.model.guest import GuestInterface
from nova_lite.model.ids import ServerId


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seen:
    """What is on the machine, read once for all networks."""

    links: Mapping[str, Any]
    tables: frozenset[tuple[str, str]]
    used: frozenset[str]  # the bridges that taps are noted for

    def has_tables(self, name: str, families: tuple[str, ...]) -> bool:
        """Whether none of a bridge's is missing: whoever loads a firewall of their own may flush everything first."""
        return self.tables.issuperset(firewall.tables(name, families))


def look(notes: Notes) -> Seen:
    """Read it. Raises: WiringError."""
    used = frozenset(plugged.interface.bridge for plugged in notes.all_plugged())
    return Seen(links=bridge.links(), tables=firewall.present(), used=used)


class Network(Protocol):
    """A network on this host. All methods may be repeated, and called side by side for different servers."""

    def ensure(self, interface: GuestInterface) -> None:
        """Have all that the interface's network needs. Raises: WiringError."""

    def plug(self, server_id: ServerId, plugged: Plugged, hostname: str) -> None:
        """Have the interface's tap, noted before. Raises: WiringError."""

    def unplug(self, server_id: ServerId, plugged: Plugged) -> None:
        """Have the interface's tap no more, and no note of it. Raises: WiringError."""

    def rename(self, interface: GuestInterface, hostname: str) -> None:
        """Tell the guest's name where it is asked for; nothing to do before `ensure`. Raises: WiringError."""

    def mend(self, seen: Seen) -> None:
        """Make again what was there after `ensure` and is not now; remove what nobody uses any more. Raises: WiringError."""

    def stop(self) -> None:
        """Serve no more metadata; all else goes on."""

    def remove(self) -> None:
        """Leave nothing of the network but its notes. Raises: WiringError."""

    def inspect(self) -> tuple[str, ...]:
        """List what of ours is there: links, tables, processes."""
