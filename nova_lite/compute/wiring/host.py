"""The wiring of a real host: bridges, taps, firewall, DHCP and metadata together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from nova_lite.compute.wiring import bridge
from nova_lite.compute.wiring.flat import FlatNetwork
from nova_lite.compute.wiring.isolated import IsolatedNetwork
from nova_lite.compute.wiring.metadata import Specs
from nova_lite.compute.wiring.network import Network, look
from nova_lite.compute.wiring.notes import Notes, Plugged
from nova_lite.compute.wiring.port import WiringError
from nova_lite.compute.wiring.watch import Watch
from nova_lite.model.guest import GuestInterface, GuestSpec
from nova_lite.model.ids import ServerId


class HostWiring:
    """Fulfils `wiring.port.Wiring` on this machine. Everything it made can be found again in `folder`."""

    def __init__(self, folder: Path, address: str | None = None) -> None:
        """`folder` is this host's own, kept over restarts; `address` is where other hosts reach it, None where none do."""
        self._notes = Notes(folder)
        self._specs = Specs()
        self._address = address
        self._lock = threading.Lock()
        self._networks: dict[tuple[str, bool], Network] = {}  # by bridge, and whether it is isolated
        self._watch = Watch(self.mend)

    def begin(self) -> None:
        """Look after what was made, from now on, and remove networks that no guest here has any more."""
        self._watch.begin()

    def ensure_network(self, interface: GuestInterface) -> None:
        """Have the bridge of the interface's network, its DHCP and its metadata service. Raises: WiringError."""
        self._of(interface).ensure(interface)
        self.begin()

    def plug(self, server_id: ServerId, interface: GuestInterface) -> str:
        """Have a tap for the interface, attached to the bridge, that lets only its own addresses out; give its name."""
        tap = bridge.tap_name(interface.port_id)
        spec = self._specs.of(interface.bridge, interface.ip_address)
        self._of(interface).plug(server_id, Plugged(tap=tap, interface=interface), spec.hostname if spec else "")
        self.begin()
        return tap

    def unplug(self, server_id: ServerId) -> None:
        """Remove all taps, rules, DHCP and metadata of the server; nothing to remove is success. Raises: WiringError."""
        self._specs.drop(server_id)
        for plugged in self._notes.plugged(server_id):
            self._of(plugged.interface).unplug(server_id, plugged)
        self._notes.remove(server_id)

    def unplug_one(self, server_id: ServerId, interface: GuestInterface) -> None:
        """Remove the tap of one interface, its rules and its DHCP; nothing to remove is success. Raises: WiringError."""
        self._of(interface).unplug(server_id, Plugged(tap=bridge.tap_name(interface.port_id), interface=interface))

    def set_metadata(self, spec: GuestSpec) -> None:
        """Answer the guest's metadata requests from this spec from now on."""
        self._specs.put(spec)
        for interface in spec.interfaces:
            self._of(interface).rename(interface, spec.hostname)

    def listen_to_passwords(self, listener: Callable[[ServerId, str], None]) -> None:
        """Call `listener` when a guest writes its password."""
        self._specs.passwords.listen(listener)

    def taps(self, server_id: ServerId) -> tuple[str, ...]:
        """List the server's taps that are there."""
        present = bridge.links()
        return tuple(plugged.tap for plugged in self._notes.plugged(server_id) if plugged.tap in present)

    def mend(self) -> None:
        """Make again what somebody removed or what died, and remove what nobody uses. Raises: WiringError, the first one."""
        seen, failures = look(self._notes), []
        for network in self._noted():
            try:
                network.mend(seen)
            except WiringError as error:  # of one network: the others are looked after all the same
                failures.append(error)
        if failures:
            raise failures[0]

    def stop(self) -> None:
        """Serve no more metadata; bridges, taps and DHCP go on."""
        self._watch.end()
        with self._lock:
            networks = tuple(self._networks.values())
        for network in networks:
            network.stop()

    def remove_all(self) -> tuple[str, ...]:
        """Remove everything that this host's wiring made, and nothing else; say what it was. May be repeated."""
        self.stop()
        found = self.inspect()
        for network in self._noted():
            network.remove()
        for tap in self._own_taps():
            bridge.remove_link(tap)
        self._notes.remove_all()
        return found

    def inspect(self) -> tuple[str, ...]:
        """List what of ours is there: links, tables, processes."""
        found = [thing for network in self._noted() for thing in network.inspect()]
        found += [f"link {tap}" for tap in self._own_taps() if f"link {tap}" not in found]  # their bridge is gone
        return tuple(found)

    def _own_taps(self) -> tuple[str, ...]:
        noted = [plugged.tap for plugged in self._notes.all_plugged()]
        return bridge.marked(noted) if noted else ()

    def _of(self, interface: GuestInterface) -> Network:
        return self._network(interface.bridge, isolated=interface.segment is not None)

    def _noted(self) -> tuple[Network, ...]:
        """Give the networks that are noted, by whichever daemon."""
        return tuple(self._network(name, isolated=self._notes.plan(name) is not None) for name in self._notes.bridges())

    def _network(self, name: str, *, isolated: bool) -> Network:
        """Give the one object of a bridge: its lock is shared by all who work on it."""
        with self._lock:
            if (name, isolated) not in self._networks:
                kind: Network = (
                    IsolatedNetwork(name, self._notes, self._specs, self._address)
                    if isolated
                    else FlatNetwork(name, self._notes, self._specs)
                )
                self._networks[name, isolated] = kind
            return self._networks[name, isolated]
