"""Interfaces of a server that is there: one more, or one less, while its guest goes on.

The server itself is the subject, so one such request follows another, and none meets a reboot or a move half-way (decision 13).
The host is told all interfaces that the guest is to have; so a repeated or a late command does no harm.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from nova_lite import errors
from nova_lite.context import Context
from nova_lite.db.engine import Tx
from nova_lite.durable import journal
from nova_lite.durable.workflow import Done, Outside, Record, Run, Transient, Wait, Workflow, minutes, seconds
from nova_lite.model.ids import HostName, OperationId, PortId, ProjectId, ServerId
from nova_lite.model.server import RequestedNetwork, Server, ServerAddress, ServerState
from nova_lite.network.port import BoundPort, NetworkPort, PortOrder, shown_addresses
from nova_lite.rpc.commands import EnsureInterfaces
from nova_lite.servers import records, rules
from nova_lite.workflows import delete
from nova_lite.workflows.accepting import Beginning, begin, host_of, ready
from nova_lite.workflows.desk import SERVER, Desk
from nova_lite.workflows.orders import notice_of, obeyed
from nova_lite.workflows.ports import Ports

ACTION = "interface"
ATTACHED, DETACHED = "interface_attach", "interface_detach"


@dataclasses.dataclass(frozen=True, kw_only=True)
class InterfaceParams:
    """Which port a server gets or gives up. `asked` is what stands for it among the server's networks, its tag too.

    removed: the port does not outlive it, whoever made it
    """

    server_id: ServerId
    host: HostName
    port_id: PortId
    asked: RequestedNetwork | None = None
    removed: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wired:
    """The server's addresses once the host has done it."""

    addresses: tuple[ServerAddress, ...]


Chosen = Callable[[Run[Any]], tuple[BoundPort, ...]]


def with_port(run: Run[InterfaceParams]) -> tuple[BoundPort, ...]:
    """Give the server's ports, that of this request among them, in order."""
    ports: Ports = run.ports
    with ports.database.read() as tx:
        server = records.get(tx, run.params.server_id)
    return ports.network.bound_ports(server.id, _asked(server, run.params))


def without_port(run: Run[InterfaceParams]) -> tuple[BoundPort, ...]:
    """Give the server's other ports, in order."""
    return tuple(port for port in with_port(run) if port.interface.port_id != run.params.port_id)


def _asked(server: Server, params: InterfaceParams) -> tuple[RequestedNetwork, ...]:
    """Give a server's networks with the port among them: in the place that it had before, else last."""
    known = server.requested_networks
    if params.asked is None:
        return known
    if any(one.port_id == params.port_id for one in known):
        return tuple(params.asked if one.port_id == params.port_id else one for one in known)
    return (*known, params.asked)


def _remaining(server: Server, port_id: PortId) -> tuple[RequestedNetwork, ...]:
    """Give a server's networks without a port that was attached later.

    Those of the create request keep their places: a port that was made for one of them is found by its number.
    """
    known = server.requested_networks
    made = max((number for number, one in enumerate(known) if one.port_id is None), default=-1)
    return tuple(one for number, one in enumerate(known) if number <= made or one.port_id != port_id)


def wired(run: Run[Any], choose: Chosen) -> Done | Wait:
    """Have the guest with the ports that `choose` gives: a whole step. `run.params.host` is asked.

    Raises: StepFailed when the host could not, or is lost.
    """
    bound = choose(run)
    interfaces = tuple(port.interface for port in bound)
    ended = obeyed(run, run.params.host, lambda head: EnsureInterfaces(head=head, interfaces=interfaces))
    return Done(Wired(addresses=shown_addresses(bound))) if isinstance(ended, Done) else ended


def put_back(run: Run[Any], choose: Chosen) -> Done | Wait:
    """Have the guest as it was; where the host is lost or has no guest there is nothing to put back.

    Raises: Transient when the host could not: it is asked until it can.
    """
    ports: Ports = run.ports
    report = run.report()
    if report is not None and not report.ok and report.code != delete.NO_GUEST:
        raise Transient(report.message)
    standing = ports.hosts.look(run.params.host)
    if report is not None or standing is None or standing.lost:
        return Done()
    return wired(run, choose)


def plug_interface(run: Run[InterfaceParams]) -> Done | Wait:
    """Have the guest with the port. Raises: StepFailed when the host could not."""
    return wired(run, with_port)


def unplug_again(run: Run[InterfaceParams]) -> Done | Wait:
    """Have the guest without the port again. Raises: Transient."""
    return put_back(run, without_port)


def mark_attached(run: Run[InterfaceParams]) -> Done:
    """Settle port and server."""
    network: NetworkPort = run.ports.network
    server = records.get(run.tx, run.params.server_id)
    network.settle_port(run.tx, run.params.port_id)
    records.update(run.tx, server.id, addresses=run.out(Wired).addresses, requested_networks=_asked(server, run.params))
    records.announce(run.tx, server.id, f"{ATTACHED}.end", notice_of(run))
    return Done()


def give_port_back(run: Run[InterfaceParams]) -> None:
    """Have the port as it was before the request."""
    network: NetworkPort = run.ports.network
    network.give_up_port(run.tx, run.params.server_id, run.params.port_id)
    records.announce(run.tx, run.params.server_id, f"{ATTACHED}.error", notice_of(run))


def unplug_interface(run: Run[InterfaceParams]) -> Done | Wait:
    """Have the guest without the port. Raises: StepFailed when the host could not, or the guest does not let go."""
    return wired(run, without_port)


def plug_again(run: Run[InterfaceParams]) -> Done | Wait:
    """Have the guest with the port again. Raises: Transient."""
    return put_back(run, with_port)


def mark_detached(run: Run[InterfaceParams]) -> Done:
    """Give the port up: one that was made for the server goes, a user's own is free, or goes too if that was asked."""
    network: NetworkPort = run.ports.network
    server = records.get(run.tx, run.params.server_id)
    give_up = network.remove_port if run.params.removed else network.give_up_port
    give_up(run.tx, server.id, run.params.port_id)
    remaining = _remaining(server, run.params.port_id)
    records.update(run.tx, server.id, addresses=run.out(Wired).addresses, requested_networks=remaining)
    records.announce(run.tx, server.id, f"{DETACHED}.end", notice_of(run))
    return Done()


def tell_detach_failed(run: Run[InterfaceParams]) -> None:
    """Tell other services that the interface is still there."""
    records.announce(run.tx, run.params.server_id, f"{DETACHED}.error", notice_of(run))


ATTACH_INTERFACE = Workflow(
    name="attach_interface",
    version=1,
    params=InterfaceParams,
    steps=(
        Outside("plug_interface", plug_interface, unplug_again, None, minutes(3)),
        Record("mark_attached", mark_attached, None, None, seconds(60)),  # the last: failing it undoes the other
    ),
    on_failure=give_port_back,
    on_cancel=give_port_back,
    on_delete=delete.begin_after,
)
DETACH_INTERFACE = Workflow(
    name="detach_interface",
    version=1,
    params=InterfaceParams,
    steps=(
        Outside("unplug_interface", unplug_interface, plug_again, None, minutes(3)),
        Record("mark_detached", mark_detached, None, None, seconds(60)),  # the last: failing it undoes the other
    ),
    on_failure=tell_detach_failed,
    on_cancel=tell_detach_failed,
    on_delete=delete.begin_after,
)


def accept_attach(
    desk: Desk, network: NetworkPort, context: Context, server_id: ServerId, wanted: RequestedNetwork
) -> tuple[PortId, OperationId]:
    """Accept one interface more; give its port, which is the server's from now on, and the operation.

    Raises: NotFound; Conflict when an operation, the server's state or the port's is in the way; BadRequest as `take_port`.
    """

    def work(tx: Tx) -> tuple[PortId, OperationId]:
        server, operation_id = ready(tx, server_id, ACTION), journal.new_id()
        order = PortOrder(
            key=f"{operation_id}:attach_interface",
            server_id=server.id,
            project_id=ProjectId(server.project_id),
            host=host_of(server),
            hostname=server.hostname,
            zone=server.availability_zone or "nova",
            requested=(wanted,) if wanted.network_id or wanted.port_id else (),
        )
        taken = network.take_port(tx, order).interface
        asked = RequestedNetwork(network_id=taken.network_id, port_id=taken.port_id, tag=wanted.tag)
        params = InterfaceParams(server_id=server.id, host=order.host, port_id=taken.port_id, asked=asked)
        beginning = Beginning(server=server, workflow=ATTACH_INTERFACE, params=params, event=ATTACHED, id=operation_id)
        return taken.port_id, begin(desk, tx, context, beginning)

    return desk.database.transact(work)


def accept_detach(desk: Desk, context: Context, server_id: ServerId, port_id: PortId) -> None:
    """Accept one interface less. The caller has seen that the server has the port.

    Raises: NotFound; Conflict when an operation or the server's state is in the way.
    """

    def work(tx: Tx) -> None:
        server = ready(tx, server_id, ACTION)
        params = InterfaceParams(server_id=server.id, host=host_of(server), port_id=port_id)
        begin(desk, tx, context, Beginning(server=server, workflow=DETACH_INTERFACE, params=params, event=DETACHED))

    desk.database.transact(work)


def _forget(network: NetworkPort, tx: Tx, server: Server, port_id: PortId) -> None:
    """Have a server without a guest be without a port. Raises: Conflict while it gets a guest."""
    if journal.live_operation(tx, SERVER, server.id) is not None:
        raise errors.Conflict(journal.BUSY)
    staying = tuple(
        port for port in network.bound_ports(server.id, server.requested_networks) if port.interface.port_id != port_id
    )
    remaining = _remaining(server, port_id)
    records.update(tx, server.id, addresses=shown_addresses(staying), requested_networks=remaining)


def accept_removal(
    desk: Desk, network: NetworkPort, tx: Tx, context: Context, server_id: ServerId, port_id: PortId
) -> OperationId | None:
    """Accept that a port is deleted that a server has: it leaves the guest, then it is gone.

    None where the server is gone, or has no guest at the moment: the port is the caller's to delete then.
    Raises: Conflict when an operation, the server's state or its lock is in the way.
    """
    try:
        server = records.get(tx, server_id)
    except errors.NotFound:
        return None
    rules.require_unlocked(server, context)
    if server.state is ServerState.SHELVED_OFFLOADED:
        _forget(network, tx, server, port_id)
        return None
    rules.require(server, ACTION)
    params = InterfaceParams(server_id=server.id, host=host_of(server), port_id=port_id, removed=True)
    return begin(desk, tx, context, Beginning(server=server, workflow=DETACH_INTERFACE, params=params, event=DETACHED))
