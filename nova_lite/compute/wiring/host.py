"""The wiring of a real host: bridge, taps, firewall, DHCP and metadata together."""

from __future__ import annotations

import dataclasses
import ipaddress
import logging
import shutil
import threading
from pathlib import Path

import orjson

from nova_lite.compute.wiring import bridge, firewall
from nova_lite.compute.wiring.dhcp import Dhcp
from nova_lite.compute.wiring.metadata import MetadataServer, Specs
from nova_lite.compute.wiring.watch import Watch
from nova_lite.model import wire
from nova_lite.model.guest import GuestInterface, GuestSpec
from nova_lite.model.ids import ServerId

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plugged:
    """One interface of a guest, as it is written down to be found after a restart."""

    tap: str
    interface: GuestInterface


class HostWiring:
    """Fulfils `wiring.port.Wiring` on this machine. Everything it made can be found again in `folder`."""

    def __init__(self, folder: Path) -> None:
        """`folder` is this host's own, kept over restarts."""
        self._folder = folder
        self._specs = Specs()
        self._lock = threading.Lock()
        self._served: dict[str, MetadataServer] = {}
        self._networks: dict[str, GuestInterface] = {}  # an interface of each network that was made
        self._watch = Watch(self.mend)

    def ensure_network(self, interface: GuestInterface) -> None:
        """Have the bridge of the interface's network, its DHCP and its metadata service. Raises: WiringError."""
        with self._lock:
            bridge.ensure_bridge(interface.bridge, interface.gateway_ip, interface.prefix_length, interface.mtu)
            server = self._served.get(interface.bridge)
            if server is None:
                server = MetadataServer(interface.bridge, self._specs)
                server.start()
                self._served[interface.bridge] = server
            firewall.ensure_network(interface.bridge, _cidr(interface), server.port)
            self._let_pass(interface.bridge)
            self._dhcp(interface.bridge).ensure(interface)
            self._networks[interface.bridge] = interface
            self._watch.begin()

    def plug(self, server_id: ServerId, interface: GuestInterface) -> str:
        """Have a tap for the interface, attached to the bridge, that lets only its own addresses out; give its name."""
        if interface.bridge not in self._networks:
            self.ensure_network(interface)
        tap = bridge.tap_name(interface.port_id)
        self._write(server_id, Plugged(tap=tap, interface=interface))
        firewall.ensure_tap(interface.bridge, tap, interface.mac_address, interface.ip_address)  # first: never unguarded
        bridge.ensure_tap(tap, interface.bridge, interface.mtu)
        spec = self._specs.of(interface.ip_address)
        self._dhcp(interface.bridge).add(interface, spec.hostname if spec else "")
        return tap

    def unplug(self, server_id: ServerId) -> None:
        """Remove all taps, rules, DHCP and metadata of the server; nothing to remove is success. Raises: WiringError."""
        self._specs.drop(server_id)
        for plugged in self._plugged(server_id):
            bridge.remove_link(plugged.tap)
            firewall.remove_tap(plugged.interface.bridge, plugged.tap)
            self._dhcp(plugged.interface.bridge).remove(plugged.interface)
        shutil.rmtree(self._server_folder(server_id), ignore_errors=True)

    def set_metadata(self, spec: GuestSpec) -> None:
        """Answer the guest's metadata requests from this spec from now on."""
        self._specs.put(spec)
        for interface in spec.interfaces:
            if self._dhcp(interface.bridge).pid() is not None:
                self._dhcp(interface.bridge).add(interface, spec.hostname)

    def taps(self, server_id: ServerId) -> tuple[str, ...]:
        """List the server's taps that are there."""
        present = bridge.links()
        return tuple(plugged.tap for plugged in self._plugged(server_id) if plugged.tap in present)

    def mend(self) -> None:
        """Start again each dnsmasq that died, and load rules again that somebody flushed. Raises: WiringError."""
        with self._lock:
            for name, interface in self._networks.items():
                self._dhcp(name).ensure(interface)
                if not firewall.is_whole(name):
                    LOG.warning("The rules of %s were gone; they are loaded again.", name, extra={"action": "mend_wiring"})
                    firewall.ensure_network(name, _cidr(interface), self._served[name].port)
                    self._guard_taps(name)

    def _guard_taps(self, name: str) -> None:
        folder = self._folder / "servers"
        servers = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
        for plugged in (one for server_id in servers for one in self._plugged(ServerId(server_id))):
            if plugged.interface.bridge == name:
                firewall.ensure_tap(name, plugged.tap, plugged.interface.mac_address, plugged.interface.ip_address)

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
        for name in self._bridges():
            self._dhcp(name).stop()
            for link in bridge.ours(name):
                bridge.remove_link(link)
            firewall.remove_network(name)
        shutil.rmtree(self._folder, ignore_errors=True)
        return found

    def inspect(self) -> tuple[str, ...]:
        """List what of ours is there: links, tables, processes."""
        found: list[str] = []
        for name in self._bridges():
            pid = self._dhcp(name).pid()
            found += [f"link {link}" for link in bridge.ours(name)]
            found += [f"table {table}" for table in firewall.ours(name)]
            found += [f"dnsmasq {pid}"] if pid is not None else []
        return tuple(found)

    # -- what is written down ------------------------------------------------------------------------------------------

    def _bridges(self) -> tuple[str, ...]:
        folder = self._folder / "bridges"
        return tuple(sorted(path.name for path in folder.iterdir())) if folder.is_dir() else ()

    def _let_pass(self, name: str) -> None:
        """Let dnsmasq's user come to its files through our folders, whatever the daemon's umask is."""
        for folder in (self._folder, self._folder / "bridges", self._folder / "bridges" / name):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o711)

    def _dhcp(self, name: str) -> Dhcp:
        return Dhcp(name, self._folder / "bridges" / name)

    def _server_folder(self, server_id: ServerId) -> Path:
        return self._folder / "servers" / server_id

    def _plugged(self, server_id: ServerId) -> tuple[Plugged, ...]:
        paths = sorted(self._server_folder(server_id).glob("nl*"))
        return tuple(wire.from_plain(Plugged, orjson.loads(path.read_bytes())) for path in paths)

    def _write(self, server_id: ServerId, plugged: Plugged) -> None:
        folder = self._server_folder(server_id)
        folder.mkdir(parents=True, exist_ok=True)
        hidden = folder / f".{plugged.tap}"
        hidden.write_bytes(orjson.dumps(wire.to_plain(plugged)))
        hidden.rename(folder / plugged.tap)


def _cidr(interface: GuestInterface) -> str:
    return str(ipaddress.ip_network(f"{interface.ip_address}/{interface.prefix_length}", strict=False))
