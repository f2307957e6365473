"""The flat network on this host: a bridge with the gateway's address, and the host passes on what guests send."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from nova_lite.compute.wiring import bridge, firewall, leases, metadata, offers
from nova_lite.compute.wiring.commands import run
from nova_lite.compute.wiring.dhcp import Dhcp, Seat
from nova_lite.compute.wiring.leases import Lease
from nova_lite.compute.wiring.metadata import MetadataServer, Specs
from nova_lite.compute.wiring.network import Seen
from nova_lite.compute.wiring.notes import Notes, Plugged
from nova_lite.compute.wiring.plan import cidr_of
from nova_lite.compute.wiring.taps import Taps
from nova_lite.model.guest import GuestInterface
from nova_lite.model.ids import ServerId

LOG = logging.getLogger(__name__)
ACTION = {"action": "mend_wiring"}


def dhcp_on(name: str, folder: Path) -> Dhcp:
    """Give the dnsmasq that serves a bridge by its gateway's address."""

    def give_back(lease: Lease, interface: GuestInterface) -> None:
        if interface.gateway_ip is not None:
            leases.give_back(lease, name, interface.gateway_ip)

    return Dhcp(Seat(link=name, start=run, give_back=give_back), folder)


class FlatNetwork:
    """Fulfils Network. It stays until all is removed."""

    def __init__(self, name: str, notes: Notes, specs: Specs) -> None:
        """`name` is the bridge's. Nothing is made here."""
        self._name = name
        self._notes = notes
        self._specs = specs
        self._lock = threading.Lock()
        self._server: MetadataServer | None = None
        self._interface: GuestInterface | None = None  # the last that `ensure` was called for
        self._dhcp = dhcp_on(name, notes.bridge_folder(name))
        self._taps = Taps(name, notes, self._dhcp, isolated=False)

    def ensure(self, interface: GuestInterface) -> None:
        """Have the bridge with its addresses, its DHCP, its rules and its metadata service."""
        with self._lock:
            self._make(interface)
            self._interface = interface

    def _make(self, interface: GuestInterface) -> None:
        name, wanted = self._name, bridge.wanted_addresses(interface.gateway_ip, interface.prefix_length)
        self._notes.make_bridge_folder(name)
        present = bridge.read_addresses(name)  # an operator's bridge may have some already; those stay when ours go
        self._notes.add_addresses(name, (address for address in wanted if address not in present))
        if bridge.ensure_bridge(name, wanted, interface.mtu):
            self._begin_anew()
        firewall.ensure_network(name, cidr_of(interface), self._serve().port)
        self._dhcp.ensure(offers.flat(interface))

    def _begin_anew(self) -> None:
        """After the bridge was made: what was bound to an earlier one hears nothing."""
        self._dhcp.stop()
        self._stop_server()
        self._taps.attach_all()

    def _serve(self) -> MetadataServer:
        if self._server is None:
            self._server = MetadataServer(self._name, self._specs, metadata.listen(self._name))
            self._server.start()
        return self._server

    def plug(self, server_id: ServerId, plugged: Plugged, hostname: str) -> None:
        """Have a tap."""
        if self._interface is None:
            self.ensure(plugged.interface)
        self._taps.plug(server_id, plugged, hostname)

    def unplug(self, server_id: ServerId, plugged: Plugged) -> None:
        """Have a tap no more."""
        self._taps.pull(plugged)
        self._notes.remove_one(server_id, plugged.tap)

    def rename(self, interface: GuestInterface, hostname: str) -> None:
        """Tell it to DHCP."""
        if self._dhcp.pid() is not None:
            self._dhcp.add(interface, hostname)

    def mend(self, seen: Seen) -> None:
        """Start a dnsmasq that died, and make again a bridge and rules that somebody removed."""
        with self._lock:
            if self._interface is None:
                return
            if self._name not in seen.links:
                LOG.warning("The bridge %s was gone; it is made again.", self._name, extra=ACTION)
                self._make(self._interface)
            self._dhcp.ensure(offers.flat(self._interface))
            if not seen.has_tables(self._name, firewall.FAMILIES):
                LOG.warning("The rules of %s were gone; they are loaded again.", self._name, extra=ACTION)
                firewall.ensure_network(self._name, cidr_of(self._interface), self._serve().port)
                self._taps.guard_all()

    def stop(self) -> None:
        """Serve no more metadata."""
        with self._lock:
            self._interface = None
            self._stop_server()

    def _stop_server(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    def remove(self) -> None:
        """Remove links, addresses, tables and dnsmasq."""
        self.stop()
        self._dhcp.stop()
        for link in bridge.ours(self._name):
            bridge.remove_link(link)
        for address in self._notes.addresses(self._name):  # where the bridge is not ours
            bridge.remove_address(self._name, address)
        firewall.remove_network(self._name)

    def inspect(self) -> tuple[str, ...]:
        """List links, tables and dnsmasq."""
        pid = self._dhcp.pid()
        return (
            *(f"link {link}" for link in bridge.ours(self._name)),
            *(f"table {table}" for table in firewall.ours(self._name)),
            *([f"dnsmasq {pid}"] if pid is not None else []),
        )
