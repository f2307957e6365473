"""A network of a project on this host: a bridge that the host itself has no part in.

Ranges of projects may be the same as each other's and as the host's own. So no address or route of them is on the host: DHCP
and metadata stand in a namespace, joined to the bridge by a pair of links, with the metadata address alone.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from nova_lite.compute.wiring import bridge, firewall, isolation, leases, metadata, offers, tunnel, veth
from nova_lite.compute.wiring.commands import run
from nova_lite.compute.wiring.dhcp import Dhcp, Seat
from nova_lite.compute.wiring.leases import Lease
from nova_lite.compute.wiring.metadata import MetadataServer, Specs
from nova_lite.compute.wiring.namespace import Namespace
from nova_lite.compute.wiring.network import Seen, look
from nova_lite.compute.wiring.notes import Notes, Plugged
from nova_lite.compute.wiring.plan import Plan, extended
from nova_lite.compute.wiring.taps import Taps
from nova_lite.model.guest import GuestInterface
from nova_lite.model.ids import ServerId

LOG = logging.getLogger(__name__)
ACTION = {"action": "mend_wiring"}


def dhcp_in(namespace: Namespace, folder: Path) -> Dhcp:
    """Give the dnsmasq that serves a network out of its namespace."""

    def give_back(lease: Lease, _interface: GuestInterface) -> None:
        if namespace.pid() is not None:  # else dnsmasq is about to be started anew, in another
            namespace.call(lambda: leases.give_back(lease, veth.INSIDE, bridge.METADATA_IP))

    seat = Seat(link=veth.INSIDE, start=lambda arguments: namespace.call(lambda: run(arguments)), give_back=give_back)
    return Dhcp(seat, folder)


class IsolatedNetwork:
    """Fulfils Network. It goes with its last tap.

    All under one lock: between the look whether a tap is the last, and the removal, no other one may come.
    """

    def __init__(self, name: str, notes: Notes, specs: Specs, address: str | None) -> None:
        """`name` is the bridge's, `address` the host's own for tunnels. Nothing is made here."""
        folder = notes.bridge_folder(name)
        self._name = name
        self._notes = notes
        self._specs = specs
        self._address = address
        self._lock = threading.RLock()
        self._made = False
        self._server: MetadataServer | None = None
        self._namespace = Namespace(folder)
        self._dhcp = dhcp_in(self._namespace, folder)
        self._taps = Taps(name, notes, self._dhcp, isolated=True)

    def ensure(self, interface: GuestInterface) -> None:
        """Have the bridge, the namespace with DHCP and metadata, the rules and the tunnel."""
        with self._lock:
            plan = extended(self._notes.plan(self._name), interface, interface.segment or 0)
            self._notes.write_plan(self._name, plan)
            self._make(plan)
            self._made = True

    def _make(self, plan: Plan) -> None:
        name, whole = self._name, look(self._notes).has_tables(self._name, isolation.FAMILIES)
        self._notes.make_bridge_folder(name)
        isolation.ensure(name, tunnel.name_of(name))  # first: never open to the host
        if not whole:
            self._taps.guard_all()
        if bridge.ensure_bare_bridge(name, plan.mtu):
            self._taps.attach_all()
        fresh = self._namespace.ensure()
        if fresh:
            self._stop_services()  # they stand in one that nobody can enter any more
        if veth.ensure(name, plan.mtu, self._namespace) and not fresh:
            self._stop_services()  # they were bound to a link that is gone
        self._dhcp.ensure(offers.isolated(plan, veth.INSIDE))
        if self._server is None:
            self._server = MetadataServer(name, self._specs, self._namespace.call(metadata.listen_inside))
            self._server.start()
        tunnel.ensure(name, plan.segment, plan.mtu, self._address)

    def _stop_services(self) -> None:
        self._dhcp.stop()
        self._stop_server()

    def plug(self, server_id: ServerId, plugged: Plugged, hostname: str) -> None:
        """Have a tap; the network too, which may have gone since it was asked for."""
        with self._lock:
            if not self._made:
                self.ensure(plugged.interface)
            self._taps.plug(server_id, plugged, hostname)

    def unplug(self, server_id: ServerId, plugged: Plugged) -> None:
        """Have a tap no more, and without taps no network."""
        with self._lock:
            self._taps.pull(plugged)
            self._notes.remove_one(server_id, plugged.tap)
            self._remove_unused()

    def _remove_unused(self) -> None:
        if self._notes.plan(self._name) is None or self._notes.plugged_on(self._name):
            return
        self.remove()
        left = self.inspect()
        if left:  # still noted, and so looked for again
            LOG.warning("Of %s something is left: %s.", self._name, ", ".join(left), extra=ACTION)
        else:
            self._notes.remove_bridge(self._name)

    def rename(self, interface: GuestInterface, hostname: str) -> None:
        """Tell it to DHCP."""
        with self._lock:
            if interface.dhcp and self._dhcp.pid() is not None:
                self._dhcp.add(interface, hostname)

    def mend(self, seen: Seen) -> None:
        """Make all again when a part is missing; remove all when no tap is left, of an earlier daemon's network too."""
        with self._lock:
            if self._name not in seen.used:
                self._remove_unused()
            plan = self._notes.plan(self._name)
            if self._made and plan is not None and self._is_broken(seen) and self._is_broken(look(self._notes)):
                LOG.warning("The network %s was not whole; it is made again.", self._name, extra=ACTION)
                self._make(plan)

    def _is_broken(self, seen: Seen) -> bool:
        name = self._name
        wanted = [veth.name_of(name), *([tunnel.name_of(name)] if tunnel.is_wanted(self._address) else [])]
        return (
            name not in seen.links
            or any(seen.links.get(link, {}).get("master") != name for link in wanted)
            or not seen.has_tables(name, isolation.FAMILIES)
            or self._namespace.pid() is None
            or self._dhcp.pid() is None
        )

    def stop(self) -> None:
        """Serve no more metadata."""
        with self._lock:
            self._made = False
            self._stop_server()

    def _stop_server(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    def remove(self) -> None:
        """Remove links, namespace, tables and dnsmasq; taps that are left too."""
        with self._lock:
            self.stop()
            self._dhcp.stop()
            for link in self._links():
                bridge.remove_link(link)
            self._namespace.remove()
            firewall.remove_network(self._name)

    def inspect(self) -> tuple[str, ...]:
        """List links, tables, and the processes of dnsmasq and the namespace."""
        pids = {"dnsmasq": self._dhcp.pid(), "namespace": self._namespace.pid()}
        return (
            *(f"link {link}" for link in self._links()),
            *(f"table {table}" for table in firewall.ours(self._name)),
            *(f"{what} {pid}" for what, pid in pids.items() if pid is not None),
        )

    def _links(self) -> tuple[str, ...]:
        """List ours, the bridge last: also those that hang in the air since somebody removed it."""
        own = bridge.ours(self._name)
        loose = bridge.marked((veth.name_of(self._name), tunnel.name_of(self._name)))
        return (*(link for link in loose if link not in own), *own)
