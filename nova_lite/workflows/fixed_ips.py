"""Addresses of a server's port: one more, or one less. Its guest goes on, and uses what it wants of them."""

from __future__ import annotations

import dataclasses

from nova_lite import errors
from nova_lite.context import Context
from nova_lite.db.engine import Tx
from nova_lite.durable.workflow import Done, Outside, Record, Run, StepFailed, Wait, Workflow, minutes, seconds
from nova_lite.model.ids import HostName, NetworkId, PortId, ServerId
from nova_lite.model.server import Server
from nova_lite.network.port import BoundPort, NetworkPort
from nova_lite.servers import records
from nova_lite.workflows import delete
from nova_lite.workflows.accepting import Beginning, begin, host_of, ready
from nova_lite.workflows.desk import Desk
from nova_lite.workflows.interfaces import Wired, put_back, wired
from nova_lite.workflows.ports import Ports


@dataclasses.dataclass(frozen=True, kw_only=True)
class AddressParams:
    """Which address comes to a port, or goes from it."""

    server_id: ServerId
    host: HostName
    port_id: PortId
    address: str


def with_address(run: Run[AddressParams]) -> tuple[BoundPort, ...]:
    """Give the server's ports with all of their addresses."""
    ports: Ports = run.ports
    with ports.database.read() as tx:
        server = records.get(tx, run.params.server_id)
    return ports.network.bound_ports(server.id, server.requested_networks)


def without_address(run: Run[AddressParams]) -> tuple[BoundPort, ...]:
    """Give the server's ports without the address of this request; the next one takes the place of a first."""
    return tuple(_without(port, run.params.address) for port in with_address(run))


def _without(port: BoundPort, address: str) -> BoundPort:
    left = tuple(one for one in port.interface.addresses if one != address)
    if not left:
        raise StepFailed(f"{address} is the only address of its port.", code=409)
    interface = dataclasses.replace(port.interface, ip_address=left[0], more_addresses=left[1:])
    return dataclasses.replace(port, interface=interface)


def let_address(run: Run[AddressParams]) -> Done | Wait:
    """Have the host let the guest use the address. Raises: StepFailed when it could not."""
    return wired(run, with_address)


def let_address_again(run: Run[AddressParams]) -> Done | Wait:
    """Have the guest with the address again. Raises: Transient."""
    return put_back(run, with_address)


def bar_address(run: Run[AddressParams]) -> Done | Wait:
    """Have the host let the guest use the address no more. Raises: StepFailed when it could not."""
    return wired(run, without_address)


def bar_address_again(run: Run[AddressParams]) -> Done | Wait:
    """Have the guest without the address again. Raises: Transient."""
    return put_back(run, without_address)


def show_address(run: Run[AddressParams]) -> Done:
    """Show the server's addresses as they are now."""
    records.update(run.tx, run.params.server_id, addresses=run.out(Wired).addresses)
    return Done()


def give_up_address(run: Run[AddressParams]) -> Done:
    """Give the address back, and show the others."""
    _give_back(run)
    return show_address(run)


def _give_back(run: Run[AddressParams]) -> None:
    network: NetworkPort = run.ports.network
    network.give_up_address(run.tx, run.params.port_id, run.params.address)


ADD_FIXED_IP = Workflow(
    name="add_fixed_ip",
    version=1,
    params=AddressParams,
    steps=(
        Outside("let_address", let_address, bar_address_again, None, minutes(2)),
        Record("show_address", show_address, None, None, seconds(60)),  # the last: failing it undoes the other
    ),
    on_failure=_give_back,
    on_cancel=_give_back,
    on_delete=delete.begin_after,
)
REMOVE_FIXED_IP = Workflow(
    name="remove_fixed_ip",
    version=1,
    params=AddressParams,
    steps=(
        Outside("bar_address", bar_address, let_address_again, None, minutes(2)),
        Record("give_up_address", give_up_address, None, None, seconds(60)),  # the last: failing it undoes the other
    ),
    on_delete=delete.begin_after,
)


def accept_add(desk: Desk, network: NetworkPort, context: Context, server_id: ServerId, network_id: NetworkId) -> None:
    """Accept one address more, on the server's first port in a network.

    Raises: NotFound; Conflict when an operation or the server's state is in the way; BadRequest when the server has no port
    there, or no address is free.
    """

    def work(tx: Tx) -> None:
        server = ready(tx, server_id, "addFixedIp")
        bound = network.bound_ports(server.id, server.requested_networks)
        port_id = next((one.interface.port_id for one in bound if one.interface.network_id == network_id), None)
        if port_id is None:
            raise errors.BadRequest(f"Server {server.id} has no port in network {network_id}.")
        _begin(desk, tx, context, server, ADD_FIXED_IP, port_id, network.take_address(tx, port_id))

    desk.database.transact(work)


def accept_remove(desk: Desk, network: NetworkPort, context: Context, server_id: ServerId, address: str) -> None:
    """Accept one address less. A port's only address goes with the port.

    Raises: NotFound; Conflict when an operation or the server's state is in the way; BadRequest when the server has no such
    address, or its port no other.
    """

    def work(tx: Tx) -> None:
        server = ready(tx, server_id, "removeFixedIp")
        bound = network.bound_ports(server.id, server.requested_networks)
        interface = next((one.interface for one in bound if address in one.interface.addresses), None)
        if interface is None:
            raise errors.BadRequest(f"Server {server.id} has no address {address}.")
        if not interface.more_addresses:
            raise errors.BadRequest(f"{address} is the only address of its port: detach the interface instead.")
        _begin(desk, tx, context, server, REMOVE_FIXED_IP, interface.port_id, address)

    desk.database.transact(work)


def _begin(
    desk: Desk, tx: Tx, context: Context, server: Server, workflow: Workflow[AddressParams], port_id: PortId, address: str
) -> None:
    params = AddressParams(server_id=server.id, host=host_of(server), port_id=port_id, address=address)
    begin(desk, tx, context, Beginning(server=server, workflow=workflow, params=params))
