"""The embedded network service: a flat network, those of projects, ports with addresses (the port of DESIGN section 2)."""

from __future__ import annotations

import contextlib
import dataclasses
import ipaddress
import uuid
from collections.abc import Iterator, Mapping, Sequence

from nova_lite import errors
from nova_lite.db import networks as queries
from nova_lite.db.engine import Database, Tx
from nova_lite.db.networks import NetworkFilter, PortFilter
from nova_lite.model.guest import GuestInterface
from nova_lite.model.ids import HostName, NetworkId, PortId, ProjectId, ServerId
from nova_lite.model.network import Port
from nova_lite.model.server import RequestedNetwork
from nova_lite.network import addresses, records
from nova_lite.network.port import BoundPort, PortOrder
from nova_lite.network.records import Place

OWNER = "compute:"  # and the zone: who a server's port belongs to, as the Network API shows it


class Networks:
    """The NetworkPort of the embedded service. Also what its API stands on."""

    def __init__(self, database: Database) -> None:
        """Reads and writes through `database`."""
        self.database = database
        self._next: dict[str, int] = {}  # where to try first: an address just given back rests a while, and none is looked for

    def resolve(
        self, project_id: ProjectId, requested: tuple[RequestedNetwork, ...], *, auto: bool
    ) -> tuple[RequestedNetwork, ...]:
        """Check what a create request asks, and fill in the network when none is named.

        Raises: BadRequest, Conflict as the Compute API answers them.
        """
        with self.database.read() as tx:
            usable = _usable(tx, project_id)
            if not requested:
                return _only(usable)
            named = [one.port_id for one in requested if one.port_id is not None]
            if len(set(named)) < len(named):
                raise errors.BadRequest("A port is named twice.")
            return tuple(self._resolve_one(tx, project_id, one, usable) for one in requested)

    def _resolve_one(self, tx: Tx, project_id: ProjectId, one: RequestedNetwork, usable: Sequence[Place]) -> RequestedNetwork:
        if one.port_id is None:
            place = next((place for place in usable if place.network.id == one.network_id), None)
            if place is None:
                raise errors.BadRequest(f"Network {one.network_id} could not be found.")
            _require_subnet(place)
            if one.fixed_ip is not None:
                subnet = addresses.subnet_of(place.subnets, one.fixed_ip)
                address = addresses.check(subnet, one.fixed_ip)
                if queries.is_taken(tx, subnet.id, str(address)):
                    raise errors.BadRequest(f"Fixed IP address {address} is already in use.")
            return one
        try:
            port = records.get_port(tx, one.port_id, project_id=project_id)
        except errors.NotFound as error:
            raise errors.BadRequest(f"Port {one.port_id} could not be found.") from error
        if port.server_id is not None:
            raise errors.Conflict(f"Port {port.id} is in use by a server.")
        return RequestedNetwork(network_id=port.network_id, port_id=port.id, tag=one.tag)

    def ensure_ports(self, order: PortOrder) -> tuple[BoundPort, ...]:
        """Make or find the server's ports, bind them to the host, in the order asked. May be repeated.

        Raises: Unavailable; Conflict when no address is free or a named port was taken meanwhile; NotFound.
        """
        return self.database.transact(lambda tx: self._ensure(tx, order))

    def _ensure(self, tx: Tx, order: PortOrder) -> tuple[BoundPort, ...]:
        there = records.list_ports(tx, PortFilter(server_id=order.server_id))
        present = {port.owned_by_operation or port.id: port for port in there}
        places = records.places_by_id(tx, (one.network_id for one in order.requested))
        bound = []
        for index, one in enumerate(order.requested):
            if one.port_id is not None:
                port = present.get(one.port_id) or self._bind(tx, order, one.port_id)
            else:
                key = f"{order.key}:{index}"
                port = present.get(key) or self._make(tx, order, key, one, places)
            bound.append(_bound(port, places[port.network_id], one.tag))
        if any(port.host != order.host for port in there):
            queries.update_server_ports(tx, order.server_id, {"host": order.host})
        return tuple(bound)

    def _bind(self, tx: Tx, order: PortOrder, port_id: str) -> Port:
        values = {
            "server_id": order.server_id,
            "host": order.host,
            "device_owner": OWNER + order.zone,
            "updated_at": tx.database.clock.wall(),
        }
        if not queries.bind_port(tx, port_id, values):
            raise errors.Conflict(f"Port {port_id} is in use by another server, or gone.")
        return records.get_port(tx, port_id)

    def _make(self, tx: Tx, order: PortOrder, key: str, one: RequestedNetwork, places: Mapping[str, Place]) -> Port:
        if one.network_id not in places:
            raise errors.NotFound(f"There is no network {one.network_id} any more.")
        wall = tx.database.clock.wall()
        port = Port(
            id=PortId(str(uuid.uuid4())),
            network_id=NetworkId(one.network_id),
            project_id=order.project_id,
            name="",
            mac_address=addresses.new_mac(),
            fixed_ips=(),
            server_id=order.server_id,
            host=order.host,
            device_owner=OWNER + order.zone,
            owned_by_operation=key,
            created_at=wall,
            updated_at=wall,
        )
        made = records.insert_port(tx, port, places[one.network_id].subnets, one.fixed_ip, hints=self._next)
        (fixed,) = made.fixed_ips
        self._next[fixed.subnet_id] = int(ipaddress.IPv4Address(fixed.ip_address)) + 1
        return made

    def bind_ports(
        self, server_id: ServerId, host: HostName, requested: tuple[RequestedNetwork, ...] = ()
    ) -> tuple[BoundPort, ...]:
        """Bind all of a server's ports to another host, and give them in the order in which they were asked."""

        def bind(tx: Tx) -> tuple[BoundPort, ...]:
            there = records.list_ports(tx, PortFilter(server_id=server_id))
            if any(port.host != host for port in there):
                queries.update_server_ports(tx, server_id, {"host": host})
            return _in_order(tx, there, requested)

        return self.database.transact(bind)

    def remove_ports(self, server_id: ServerId, key: str | None = None) -> None:
        """Delete the ports made for the server, give back those of the user's own. May be repeated."""

        def remove(tx: Tx) -> None:
            queries.delete_server_ports(tx, server_id, key)
            queries.free_server_ports(tx, server_id, tx.database.clock.wall())

        self.database.transact(remove)

    def mark_active(self, server_id: ServerId) -> None:
        """Show the server's ports as ACTIVE. May be repeated."""
        self.database.transact(lambda tx: queries.update_server_ports(tx, server_id, {"status": "ACTIVE"}))

    def bound_ports(self, server_id: ServerId, requested: tuple[RequestedNetwork, ...] = ()) -> tuple[BoundPort, ...]:
        """Give a server's ports as its guest has them, in the order in which they were asked; nothing is changed."""
        with self.database.read() as tx:
            return _in_order(tx, records.list_ports(tx, PortFilter(server_id=server_id)), requested)

    def ports_of(self, server_id: ServerId) -> tuple[Port, ...]:
        """List a server's ports, oldest first; one statement."""
        with self.database.read() as tx:
            return records.list_ports(tx, PortFilter(server_id=server_id))

    def take_port(self, tx: Tx, order: PortOrder) -> BoundPort:
        """Give a living server one port more, named or made anew.

        Raises: NotFound, Conflict, BadRequest.
        """
        usable = _usable(tx, order.project_id)
        (one,) = order.requested or _just_one(usable)
        if one.port_id is not None:
            port = records.get_port(tx, one.port_id, project_id=order.project_id)
            if port.server_id is not None:
                raise errors.Conflict(f"Port {port.id} is in use by a server.", type="PortInUse")
            one = dataclasses.replace(one, network_id=port.network_id)
        else:
            place = next((place for place in usable if place.network.id == one.network_id), None)
            if place is None:
                raise errors.NotFound(f"Network {one.network_id} could not be found.")
            _require_subnet(place)
        with _request_at_fault():
            (bound,) = self._ensure(tx, dataclasses.replace(order, requested=(one,)))
        return bound

    def settle_port(self, tx: Tx, port_id: PortId) -> None:
        """Show a port as ACTIVE. May be repeated."""
        queries.update_port(tx, port_id, {"status": "ACTIVE", "updated_at": tx.database.clock.wall()})

    def give_up_port(self, tx: Tx, server_id: ServerId, port_id: PortId) -> None:
        """Delete a port that was made for the server, give back its owner's. May be repeated."""
        if not queries.delete_made_port(tx, server_id, port_id):
            queries.free_port(tx, server_id, port_id, tx.database.clock.wall())

    def remove_port(self, tx: Tx, server_id: ServerId, port_id: PortId) -> None:
        """Delete a port that a server has, whoever made it. May be repeated."""
        queries.delete_server_port(tx, server_id, port_id)

    def take_address(self, tx: Tx, port_id: PortId) -> str:
        """Give a port one address more. Raises: BadRequest when none is free."""
        port = records.get_port(tx, port_id)
        subnet = records.places_by_id(tx, (port.network_id,))[port.network_id].subnet_of(port)
        with _request_at_fault():
            taken = addresses.take(tx, (subnet,), port_id)
        queries.note_added(tx, taken.subnet_id, taken.ip_address, tx.database.clock.wall())
        return taken.ip_address

    def give_up_address(self, tx: Tx, port_id: PortId, address: str) -> None:
        """Give one address of a port back. May be repeated."""
        queries.release_address(tx, port_id, address)

    def network_name(self, network_id: NetworkId) -> str:
        """Give a network's name. Raises: NotFound."""
        with self.database.read() as tx:
            found = records.places_by_id(tx, (network_id,))
        if not found:
            raise errors.NotFound(f"There is no network {network_id}.")
        return found[network_id].network.name


@contextlib.contextmanager
def _request_at_fault() -> Iterator[None]:
    """Have it the request's fault that no address is free, as the Compute API has it."""
    try:
        yield
    except errors.Conflict as error:
        if error.details.get("type") == addresses.NONE_FREE:
            raise errors.BadRequest(error.message) from error
        raise


def _usable(tx: Tx, project_id: ProjectId) -> tuple[Place, ...]:
    return records.list_places(tx, NetworkFilter(project_id=project_id))


def _require_subnet(place: Place) -> None:
    """Refuse a network on which a guest would get no address. Raises: BadRequest."""
    if not place.subnets:
        raise errors.BadRequest(f"Network {place.network.id} has no subnet: a server would have no address on it.")


def _only(usable: Sequence[Place]) -> tuple[RequestedNetwork, ...]:
    """Give the network of a request that names none: there must be just one with a subnet to choose from."""
    ids = [place.network.id for place in usable if place.subnets]
    if len(ids) > 1:
        raise errors.Conflict("Several networks are possible: name the ones that the server is to have.")
    return tuple(RequestedNetwork(network_id=network_id) for network_id in ids)


def _just_one(usable: Sequence[Place]) -> tuple[RequestedNetwork, ...]:
    """Give the network of an attachment that names none."""
    ids = [place.network.id for place in usable if place.subnets]
    if len(ids) != 1:
        said = "Several networks are possible: name the one to attach." if ids else "There is no network to attach."
        raise errors.BadRequest(said)
    return (RequestedNetwork(network_id=ids[0]),)


def _in_order(tx: Tx, there: Sequence[Port], requested: Sequence[RequestedNetwork]) -> tuple[BoundPort, ...]:
    """Give a server's ports in the order in which they were asked."""
    places = records.places_by_id(tx, (port.network_id for port in there)) if there else {}
    placed = sorted(there, key=lambda port: _rank(port, requested))
    return tuple(_bound(port, places[port.network_id], _tag(port, requested)) for port in placed)


def _rank(port: Port, requested: Sequence[RequestedNetwork]) -> int:
    """Find which of the networks asked for a port stands for; those that came later follow."""
    for index, one in enumerate(requested):
        if one.port_id == port.id or (
            one.port_id is None and (port.owned_by_operation or "").endswith(f":create_ports:{index}")
        ):
            return index
    return len(requested)


def _tag(port: Port, requested: Sequence[RequestedNetwork]) -> str | None:
    rank = _rank(port, requested)
    return requested[rank].tag if rank < len(requested) else None


def _bound(port: Port, place: Place, tag: str | None) -> BoundPort:
    network, subnet = place.network, place.subnet_of(port)
    interface = GuestInterface(
        port_id=port.id,
        network_id=port.network_id,
        bridge=network.bridge,
        mac_address=port.mac_address,
        ip_address=port.fixed_ips[0].ip_address,
        prefix_length=ipaddress.IPv4Network(subnet.cidr).prefixlen,
        gateway_ip=subnet.gateway_ip,
        dns_nameservers=subnet.dns_nameservers,
        mtu=network.mtu,
        tag=tag,
        more_addresses=tuple(fixed.ip_address for fixed in port.fixed_ips[1:]),
        segment=network.segment,
        dhcp=subnet.enable_dhcp,
        routes=subnet.host_routes,
    )
    return BoundPort(interface=interface, network_name=network.name)
