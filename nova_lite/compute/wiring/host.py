"""The wiring of a real host: bridge, taps, firewall, DHCP and metadata together."""

from __future__ import annotations

import ipaddress
import logging
import threading
from collections.abc import Callable
from pathlib import Path

from nova_lite.compute.wiring import bridge, firewall
from nova_lite.compute.wiring.dhcp import Dhcp
from nova_lite.compute.wiring.metadata import MetadataServer, Specs
from nova_lite.compute.wiring.notes import Notes, Plugged
from nova_lite.compute.wiring.watch import Watch
from nova_lite.model.guest import GuestInterface, GuestSpec
from nova_lite.model.ids import ServerId

LOG = logging.getLogger(__name__)


class HostWiring:
    """Fulfils `wiring.port.Wiring` on this machine. Everything it made can be found again in `folder`."""

    def __init__(self, folder: Path) -> None:
        """`folder` is this host's own, kept over restarts."""
        self._notes = Notes(folder)
        self._specs = Specs()
        self._lock = threading.Lock()
        self._served: dict[str, MetadataServer] = {}
        self._networks: dict[str, GuestInterface] = {}  # an interface of each network that was made
        self._watch = Watch(self.mend)

    def ensure_network(self, interface: GuestInterface) -> None:
        """Have the bridge of the interface's network, its DHCP and its metadata service. Raises: WiringError."""
        with self._lock:
            self._make(interface)
            self._networks[interface.bridge] = interface
            self._watch.begin()

    def _make(self, interface: GuestInterface) -> None:
        name, wanted = interface.bridge, bridge.wanted_addresses(interface.gateway_ip, interface.prefix_length)
        self._notes.make_bridge_folder(name)
        present = bridge.read_addresses(name)  # an operator's bridge may have some already; those stay when ours go
        self._notes.add_addresses(name, (address for address in wanted if address not in present))
        if bridge.ensure_bridge(name, wanted, interface.mtu):
            self._begin_anew(name)
        server = self._served.get(name)
        if server is None:
            server = MetadataServer(name, self._specs)
            server.start()
            self._served[name] = server
        firewall.ensure_network(name, _cidr(interface), server.port)
        self._dhcp(name).ensure(interface)

    def _begin_anew(self, name: str) -> None:
        """After a bridge was made: what was bound to an earlier one hears nothing, and the taps hang in the air."""
        self._dhcp(name).stop()
        server = self._served.pop(name, None)
        if server is not None:
            server.stop()
        present = bridge.links()
        for plugged in self._plugged_on(name):
            if plugged.tap in present:
                bridge.ensure_tap(plugged.tap, name, plugged.interface.mtu, queues=plugged.interface.queues)

    def plug(self, server_id: ServerId, interface: GuestInterface) -> str:
        """Have a tap for the interface, attached to the bridge, that lets only its own addresses out; give its name."""
        if interface.bridge not in self._networks:
            self.ensure_network(interface)
        tap = bridge.tap_name(interface.port_id)
        self._notes.add(server_id, Plugged(tap=tap, interface=interface))
        firewall.ensure_tap(interface.bridge, tap, interface.mac_address, interface.addresses)  # first: never unguarded
        bridge.ensure_tap(tap, interface.bridge, interface.mtu, queues=interface.queues)
        spec = self._specs.of(interface.ip_address)
        self._dhcp(interface.bridge).add(interface, spec.hostname if spec else "")
        return tap

    def unplug(self, server_id: ServerId) -> None:
        """Remove all taps, rules, DHCP and metadata of the server; nothing to remove is success. Raises: WiringError."""
        self._specs.drop(server_id)
        for plugged in self._notes.plugged(server_id):
            self._pull(plugged)
        self._notes.remove(server_id)

    def unplug_one(self, server_id: ServerId, interface: GuestInterface) -> None:
        """Remove the tap of one interface, its rules and its DHCP; nothing to remove is success. Raises: WiringError."""
        tap = bridge.tap_name(interface.port_id)
        self._pull(Plugged(tap=tap, interface=interface))
        self._notes.remove_one(server_id, tap)

    def _pull(self, plugged: Plugged) -> None:
        bridge.remove_link(plugged.tap)
        firewall.remove_tap(plugged.interface.bridge, plugged.tap)
        self._dhcp(plugged.interface.bridge).remove(plugged.interface)

    def set_metadata(self, spec: GuestSpec) -> None:
        """Answer the guest's metadata requests from this spec from now on."""
        self._specs.put(spec)
        for interface in spec.interfaces:
            if self._dhcp(interface.bridge).pid() is not None:
                self._dhcp(interface.bridge).add(interface, spec.hostname)

    def listen_to_passwords(self, listener: Callable[[ServerId, str], None]) -> None:
        """Call `listener` when a guest writes its password."""
        self._specs.passwords.listen(listener)

    def taps(self, server_id: ServerId) -> tuple[str, ...]:
        """List the server's taps that are there."""
        present = bridge.links()
        return tuple(plugged.tap for plugged in self._notes.plugged(server_id) if plugged.tap in present)

    def mend(self) -> None:
        """Start again each dnsmasq that died, and make again bridges and rules that somebody removed. Raises: WiringError."""
        with self._lock:
            present = bridge.links()
            for name, interface in self._networks.items():
                if name not in present:
                    LOG.warning("The bridge %s was gone; it is made again.", name, extra={"action": "mend_wiring"})
                    self._make(interface)
                self._dhcp(name).ensure(interface)
                if not firewall.is_whole(name):
                    LOG.warning("The rules of %s were gone; they are loaded again.", name, extra={"action": "mend_wiring"})
                    firewall.ensure_network(name, _cidr(interface), self._served[name].port)
                    self._guard_taps(name)

    def _guard_taps(self, name: str) -> None:
        for plugged in self._plugged_on(name):
            firewall.ensure_tap(name, plugged.tap, plugged.interface.mac_address, plugged.interface.addresses)

    def _plugged_on(self, name: str) -> tuple[Plugged, ...]:
        return tuple(plugged for plugged in self._notes.all_plugged() if plugged.interface.bridge == name)

    def stop(self) -> None:
        """Serve no more metadata; bridges, taps and DHCP go on."""
        self._watch.end()
        with self._lock:
            served, self._served = self._served, {}
            self._networks.clear()
        for server in served.values():
            server.stop()

    def remove_all(self) -> tuple[str, ...]:
        """Remove everything that this host's wiring made, and nothing else; say what it was. May be repeated."""
        self.stop()
        found = self.inspect()
        for name in self._notes.bridges():
            self._dhcp(name).stop()
            for link in bridge.ours(name):
                bridge.remove_link(link)
            for address in self._notes.addresses(name):  # where the bridge is not ours
                bridge.remove_address(name, address)
            firewall.remove_network(name)
        for tap in self._own_taps():
            bridge.remove_link(tap)
        self._notes.remove_all()
        return found

    def inspect(self) -> tuple[str, ...]:
        """List what of ours is there: links, tables, processes."""
        found: list[str] = []
        for name in self._notes.bridges():
            pid = self._dhcp(name).pid()
            found += [f"link {link}" for link in bridge.ours(name)]
            found += [f"table {table}" for table in firewall.ours(name)]
            found += [f"dnsmasq {pid}"] if pid is not None else []
        found += [f"link {tap}" for tap in self._own_taps() if f"link {tap}" not in found]  # their bridge is gone
        return tuple(found)

    def _own_taps(self) -> tuple[str, ...]:
        noted = [plugged.tap for plugged in self._notes.all_plugged()]
        return bridge.marked(noted) if noted else ()

    def _dhcp(self, name: str) -> Dhcp:
        return Dhcp(name, self._notes.bridge_folder(name))


def _cidr(interface: GuestInterface) -> str:
    return str(ipaddress.ip_network(f"{interface.ip_address}/{interface.prefix_length}", strict=False))
