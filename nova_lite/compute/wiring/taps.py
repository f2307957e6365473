"""The taps of one bridge: each with its note, its rules and its DHCP entry."""

from __future__ import annotations

from nova_lite.compute.wiring import bridge, firewall
from nova_lite.compute.wiring.dhcp import Dhcp
from nova_lite.compute.wiring.notes import Notes, Plugged
from nova_lite.model.ids import ServerId


class Taps:
    """Makes and removes them."""

    def __init__(self, name: str, notes: Notes, dhcp: Dhcp, *, isolated: bool) -> None:
        """`name` is the bridge's; `isolated` whether the host itself is to have no part in it, and other hosts have."""
        self._name = name
        self._notes = notes
        self._dhcp = dhcp
        self._isolated = isolated

    def plug(self, server_id: ServerId, plugged: Plugged, hostname: str) -> None:
        """Have a tap on the bridge. Raises: WiringError."""
        interface = plugged.interface
        self._notes.add(server_id, plugged)
        self._guard(plugged)  # first: never unguarded
        self._attach(plugged)
        if interface.dhcp:
            self._dhcp.add(interface, hostname)
        else:
            self._dhcp.remove(interface)

    def pull(self, plugged: Plugged) -> None:
        """Have no tap, no rules and no DHCP entry. Raises: WiringError."""
        bridge.remove_link(plugged.tap)
        firewall.remove_tap(self._name, plugged.tap)
        self._dhcp.remove(plugged.interface)

    def attach_all(self) -> None:
        """After the bridge was made anew: its taps hang in the air. Raises: WiringError."""
        present = bridge.links()
        for plugged in self._notes.plugged_on(self._name):
            if plugged.tap in present:
                self._attach(plugged)

    def guard_all(self) -> None:
        """After the rules were lost. Raises: WiringError."""
        for plugged in self._notes.plugged_on(self._name):
            self._guard(plugged)

    def _attach(self, plugged: Plugged) -> None:
        interface, ipv6 = plugged.interface, not self._isolated
        bridge.ensure_tap(plugged.tap, self._name, interface.mtu, queues=interface.queues, ipv6=ipv6)

    def _guard(self, plugged: Plugged) -> None:
        mac, own = plugged.interface.mac_address, plugged.interface.addresses
        firewall.ensure_tap(self._name, plugged.tap, mac, own, announced=self._isolated)
