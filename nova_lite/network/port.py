"""What the rest of the control side needs of a network service; the embedded one and Neutron's client fulfil it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Protocol

from nova_lite.db.engine import Tx
from nova_lite.model.guest import GuestInterface
from nova_lite.model.ids import HostName, NetworkId, PortId, ProjectId, ServerId
from nova_lite.model.network import Port
from nova_lite.model.server import RequestedNetwork, ServerAddress


@dataclasses.dataclass(frozen=True, kw_only=True)
class PortOrder:
    """The ports one server needs. `key` is the same at each repetition: a second call finds the first one's ports."""

    key: str
    server_id: ServerId
    project_id: ProjectId
    host: HostName
    hostname: str
    zone: str
    requested: tuple[RequestedNetwork, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class BoundPort:
    """A port as a guest gets it. `network_name` labels its addresses in the Compute API."""

    interface: GuestInterface
    network_name: str


def shown_addresses(ports: Iterable[BoundPort]) -> tuple[ServerAddress, ...]:
    """Give the addresses of a server's ports as its view shows them."""
    return tuple(
        ServerAddress(network=port.network_name, ip_address=address, mac_address=port.interface.mac_address)
        for port in ports
        for address in port.interface.addresses
    )


class NetworkPort(Protocol):
    """A network service."""

    def resolve(
        self, project_id: ProjectId, requested: tuple[RequestedNetwork, ...], *, auto: bool
    ) -> tuple[RequestedNetwork, ...]:
        """Check what a create request asks before it is accepted, and fill in the network when none is named.

        Raises: BadRequest, NotFound or Conflict as the Compute API answers them (unknown network, port in use,
        several networks to choose from).
        """

    def ensure_ports(self, order: PortOrder) -> tuple[BoundPort, ...]:
        """Make or find the server's ports, bind them to the host, in the order asked. May be repeated.

        Raises: Unavailable when the service does not answer; Conflict when no address is free.
        """

    def bind_ports(
        self, server_id: ServerId, host: HostName, requested: tuple[RequestedNetwork, ...] = ()
    ) -> tuple[BoundPort, ...]:
        """Bind all of a server's ports to another host, and give them in the order in which they were asked.

        May be repeated. Raises: Unavailable when the service does not answer.
        """

    def remove_ports(self, server_id: ServerId, key: str | None = None) -> None:
        """Delete the ports made for the server, give back those of the user's own. May be repeated.

        `key` limits it to what one operation made.
        """

    def mark_active(self, server_id: ServerId) -> None:
        """Show the server's ports as ACTIVE. May be repeated."""

    def bound_ports(self, server_id: ServerId, requested: tuple[RequestedNetwork, ...] = ()) -> tuple[BoundPort, ...]:
        """Give a server's ports as its guest has them, in the order in which they were asked. Raises: Unavailable."""

    def ports_of(self, server_id: ServerId) -> tuple[Port, ...]:
        """List a server's ports, oldest first. Raises: Unavailable when the service does not answer."""

    def take_port(self, tx: Tx, order: PortOrder) -> BoundPort:
        """Give a living server one port more, named or made anew; it is DOWN until it is settled.

        Nothing asked is the only network that the project may use. Written with the request that asks for it.
        Raises: NotFound for a network or port that the project does not see; Conflict for a port or address in use;
        BadRequest for an address that cannot be, when none is free, or when there is not just one network to choose.
        """

    def settle_port(self, tx: Tx, port_id: PortId) -> None:
        """Show a port that was taken as ACTIVE. May be repeated."""

    def give_up_port(self, tx: Tx, server_id: ServerId, port_id: PortId) -> None:
        """Take a port from its server: one that was made for it is deleted, a user's own is free again. May be repeated."""

    def remove_port(self, tx: Tx, server_id: ServerId, port_id: PortId) -> None:
        """Delete a port that a server has, whoever made it. May be repeated."""

    def take_address(self, tx: Tx, port_id: PortId) -> str:
        """Give a port one address more, of the subnet of its first; it follows the others.

        Raises: BadRequest when none is free.
        """

    def give_up_address(self, tx: Tx, port_id: PortId, address: str) -> None:
        """Give one address of a port back. May be repeated."""

    def network_name(self, network_id: NetworkId) -> str:
        """Give a network's name. Raises: NotFound."""
