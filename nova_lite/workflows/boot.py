"""Boot: from an accepted request to a running guest, or to ERROR with nothing left behind."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from nova_lite import errors
from nova_lite.durable.workflow import (
    DELETE,
    REPORT,
    Back,
    Done,
    Outside,
    Priority,
    Record,
    Run,
    Step,
    StepFailed,
    Wait,
    Workflow,
    minutes,
    seconds,
)
from nova_lite.inventory import claims, hosts
from nova_lite.model.guest import GuestInterface, PowerState
from nova_lite.model.hardware.guest import PLAIN, GuestHardware
from nova_lite.model.ids import HostName, ImageId, ProjectId, ServerId
from nova_lite.model.placement import Hints, PlacementRequest
from nova_lite.model.resources import Resources
from nova_lite.model.server import Fault, RequestedNetwork, ServerAddress, ServerState, TaskState
from nova_lite.network.port import PortOrder, shown_addresses
from nova_lite.rpc.commands import EnsureGuest
from nova_lite.servers import records
from nova_lite.workflows import delete, placing
from nova_lite.workflows.orders import REPEAT_S, direct_boot, guest_spec, head, notice_of, remove_from
from nova_lite.workflows.placing import CHOOSE_S, Chosen, Claimed, choose
from nova_lite.workflows.ports import Ports

TICKET_S = 1800.0  # how long the host may take to fetch the image


@dataclasses.dataclass(frozen=True, kw_only=True)
class BootParams:
    """What the steps need, so that they seldom read the server's row. `batch`: a parent chooses the first host."""

    server_id: ServerId
    hostname: str
    asked: Resources
    zone: str | None = None
    host: HostName | None = None
    image_id: ImageId | None = None
    image_properties: Mapping[str, str] = dataclasses.field(default_factory=dict)
    extra_specs: Mapping[str, str] = dataclasses.field(default_factory=dict)
    networks: tuple[RequestedNetwork, ...] = ()
    batch: bool = False
    flavor_name: str = ""
    hardware: GuestHardware = PLAIN
    hints: Hints = dataclasses.field(default_factory=Hints)
    admin_pass: str | None = dataclasses.field(default=None, metadata={"secret": True})  # emptied at the end


@dataclasses.dataclass(frozen=True, kw_only=True)
class PortsReady:
    """The guest's interfaces in order, and what the Compute API shows of them."""

    interfaces: tuple[GuestInterface, ...]
    addresses: tuple[ServerAddress, ...]


def choose_hosts(run: Run[BootParams]) -> Done | Wait:
    """Ask the scheduler; one of many takes the host that its parent claimed, the first time.

    Raises: StepFailed when no host fits, with each host's reason; Unavailable when no scheduler answers.
    """
    ports: Ports = run.ports
    if run.params.batch and not run.hosts_tried:
        with ports.database.read() as tx:
            claimed = claims.find_host(tx, run.params.server_id)
        if claimed is not None:
            return Done(Chosen(hosts=(claimed,), hosts_seen=1))
        refused = _no_room(run)
        if refused is not None:
            raise StepFailed(refused)
    return choose(run, request_of(run.params, run.project_id, run.hosts_tried))


def request_of(params: BootParams, project_id: str, avoid: tuple[HostName, ...] = ()) -> PlacementRequest:
    """Say what the server needs of a host."""
    return PlacementRequest(
        server_id=params.server_id,
        project_id=project_id,
        asked=params.asked,
        zone=params.zone,
        host=params.host,
        avoid=avoid,
        image_properties=params.image_properties,
        extra_specs=params.extra_specs,
        flavor_name=params.flavor_name,
        hardware=params.hardware,
        hints=params.hints,
    )


def _no_room(run: Run[BootParams]) -> str | None:
    """Give what the parent of a batch says to those for whom no room is left."""
    for signal in run.signals:
        if signal.name == "no_room":
            return str(signal.body.get("message", "No host can take the server."))
    return None


def claim_first_fit(run: Run[BootParams]) -> Done:
    """Take room on the first host of the ranking that still has it and that the server's group still allows.

    Raises: Back to choose anew when there is none.
    """
    if run.params.batch and not run.hosts_tried:
        mine = claims.find_host(run.tx, run.params.server_id)
        if mine is not None:
            return Done(Claimed(host=mine))
    return placing.claim_first_fit(run, request_of(run.params, run.project_id))


def release_claim(run: Run[BootParams]) -> Done:
    """Give the room back."""
    return placing.release(run)


def ensure_ports(run: Run[BootParams]) -> Done:
    """Make or find the server's ports on the claimed host.

    Raises: StepFailed when the network has no address left or a named port was taken meanwhile; Unavailable.
    """
    ports: Ports = run.ports
    if not run.params.networks:
        return Done(PortsReady(interfaces=(), addresses=()))
    order = PortOrder(
        key=f"{run.operation_id}:create_ports",
        server_id=run.params.server_id,
        project_id=_project(run),
        host=run.out(Claimed).host,
        hostname=run.params.hostname,
        zone=run.params.zone or "nova",
        requested=run.params.networks,
    )
    try:
        bound = ports.network.ensure_ports(order)
    except (errors.Conflict, errors.NotFound, errors.BadRequest) as error:
        raise StepFailed(error.message, code=error.status) from error
    return Done(PortsReady(interfaces=tuple(port.interface for port in bound), addresses=shown_addresses(bound)))


def _project(run: Run[BootParams]) -> ProjectId:
    return ProjectId(run.project_id)


def remove_ports(run: Run[BootParams]) -> Done:
    """Delete the ports that this operation made, give back the user's own."""
    ports: Ports = run.ports
    if run.params.networks:
        ports.network.remove_ports(run.params.server_id, f"{run.operation_id}:create_ports")
    return Done()


def ensure_guest(run: Run[BootParams]) -> Done | Wait:
    """Ask the chosen host for the guest; wait for its report.

    Safe to repeat: the guest has the server's id, so a second command finds it or joins the work in progress.
    Raises: Back to another host when this one is at fault or lost; StepFailed when no host could cure it.
    """
    ports: Ports = run.ports
    host = run.out(Claimed).host
    report = run.report()
    if report is not None:
        report.raise_if_fault(back_to="claim_host")
        if run.params.networks:
            ports.network.mark_active(run.params.server_id)
        return Done()
    standing = ports.hosts.look(host)
    if standing is None or standing.lost:
        raise Back("claim_host", "The host was lost while it built the server.", host=host)
    with ports.database.read() as tx:
        server = records.get(tx, run.params.server_id)
    image = None
    if run.params.image_id is not None:
        try:
            image = ports.images.source_for(run.params.image_id, host, valid_s=TICKET_S)
        except (errors.NotFound, errors.Conflict) as error:
            raise StepFailed(f"The image cannot be used any more: {error.message}", code=error.status) from error
    direct = direct_boot(ports, server.image_properties, host)
    spec = guest_spec(server, image, run.out(PortsReady).interfaces, direct=direct, admin_pass=run.params.admin_pass)
    ports.compute.order(host, EnsureGuest(head=head(run, standing), spec=spec))
    run.sent(host, "ensure_guest")
    return Wait(REPEAT_S, host)


def remove_guest(run: Run[BootParams]) -> Done | Wait:
    """Have the host remove what it built; a host that is down is left a tombstone."""
    return remove_from(run, run.out(Claimed).host)


def mark_active(run: Run[BootParams]) -> Done:
    """Settle the server as ACTIVE on its host, with its addresses."""
    records.update(
        run.tx,
        run.params.server_id,
        state=ServerState.ACTIVE,
        power_state=PowerState.RUNNING,
        host=run.out(Claimed).host,
        addresses=run.out(PortsReady).addresses,
        launched_at=run.tx.database.clock.wall(),
    )
    records.announce(run.tx, run.params.server_id, "create.end", notice_of(run))
    _judge_hosts(run)
    return Done()


def _judge_hosts(run: Run[BootParams]) -> None:
    """Count against the hosts that gave this build up that another could do it; nothing to write for most builds.

    A build that works nowhere counts against no host: the image may be what is bad.
    """
    ports: Ports = run.ports
    for host, why in _at_fault(run).items():
        hosts.build_failed(run.tx, host, why)
    host = run.out(Claimed).host
    if host in run.out(Chosen).on_trial or ports.hosts.has_failed(host):
        hosts.build_worked(run.tx, host)


def _at_fault(run: Run[BootParams]) -> dict[HostName, str]:
    """Give the hosts that said they could not; those that were merely lost are not among them."""
    faults = [(signal.body["host"], signal.body.get("fault")) for signal in run.signals if signal.name == REPORT]
    return {host: str(fault["message"]) for host, fault in faults if fault and host in run.hosts_tried}


def mark_error(run: Run[BootParams]) -> None:
    """Settle the server as ERROR with a fault its owner can read."""
    failure = run.failure
    fault = Fault(
        code=failure.code if failure else 500,
        message=failure.message if failure else "The server could not be built.",
        details=failure.details if failure else None,
        created_at=run.tx.database.clock.wall(),
    )
    records.update(run.tx, run.params.server_id, state=ServerState.ERROR, fault=fault, addresses=())
    records.announce(run.tx, run.params.server_id, "create.error", notice_of(run))


def mark_cancelled(run: Run[BootParams]) -> None:
    """Settle a server whose boot was cancelled as ERROR.

    When its delete follows in this transaction, nobody may see a failure meanwhile: clients that wait for the end of a
    server take ERROR for a delete that went wrong.
    """
    if any(signal.name == DELETE for signal in run.signals):
        return
    fault = Fault(code=500, message="The build was cancelled.", details=None, created_at=run.tx.database.clock.wall())
    records.update(run.tx, run.params.server_id, state=ServerState.ERROR, fault=fault, addresses=())
    records.announce(run.tx, run.params.server_id, "create.error", notice_of(run))


STEPS: tuple[Step, ...] = (
    #        name            do               undo           shown as               deadline
    Outside("choose_hosts", choose_hosts, None, TaskState.SCHEDULING, seconds(CHOOSE_S)),  # reads only: nothing to undo
    Record("claim_host", claim_first_fit, release_claim, TaskState.SCHEDULING, seconds(60)),
    Outside("create_ports", ensure_ports, remove_ports, TaskState.NETWORKING, minutes(2)),
    Outside("start_guest", ensure_guest, remove_guest, TaskState.SPAWNING, minutes(30)),
    Record("mark_active", mark_active, None, None, seconds(60)),  # the last: failing it undoes the others
)

BOOT = Workflow(
    name="boot",
    version=1,
    params=BootParams,
    steps=STEPS,
    priority=Priority.BOOT,
    on_failure=mark_error,
    on_cancel=mark_cancelled,
    on_delete=delete.begin_after,
)
