"""Evacuation: a server of a dead host is built anew on another one, of its image, with its ports and size.

Never two guests of a server: the host must be dead by proof (inventory/death.py), and a tombstone is left there before
anything is built, so that a host that returns removes its copy. Should the proof be withdrawn meanwhile, the new guest waits
until the returned host has obeyed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from nova_lite import errors
from nova_lite.context import Context
from nova_lite.db.engine import Tx
from nova_lite.durable.workflow import Done, Outside, Record, Run, StepFailed, Wait, Workflow, minutes, seconds
from nova_lite.inventory import claims, death, hosts
from nova_lite.model.flavor import Flavor
from nova_lite.model.guest import PowerState
from nova_lite.model.ids import HostName, ServerId
from nova_lite.model.migration import MigrationStatus, MigrationType
from nova_lite.model.placement import Hints, PlacementRequest
from nova_lite.model.resources import ClaimRole
from nova_lite.model.server import RequestedNetwork, ServerState, TaskState
from nova_lite.rpc.commands import EnsureGuest, EnsurePower, Power
from nova_lite.servers import moves, records
from nova_lite.workflows import delete, placing
from nova_lite.workflows.accepting import Beginning, begin, host_of, ready
from nova_lite.workflows.desk import Desk
from nova_lite.workflows.orders import direct_boot, guest_spec, head, notice_of, obeyed, removed_for_certain
from nova_lite.workflows.placing import CHOOSE_S, Claimed
from nova_lite.workflows.ports import Ports
from nova_lite.workflows.resize import hints_of

TICKET_S = 1800.0
RETURN_S = 5.0  # how often is looked whether a host that returned has removed its copy
REPEAT_S = 30.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvacuateParams:
    """Which server of which dead host, and how it is to be. `dest`: a host that was named."""

    server_id: ServerId
    source: HostName
    flavor: Flavor
    running: bool
    dest: HostName | None = None
    image_properties: Mapping[str, str] = dataclasses.field(default_factory=dict)
    zone: str | None = None
    networks: tuple[RequestedNetwork, ...] = ()
    hints: Hints = dataclasses.field(default_factory=Hints)
    admin_pass: str | None = dataclasses.field(default=None, metadata={"secret": True})  # emptied at the end


@dataclasses.dataclass(frozen=True, kw_only=True)
class Owed:
    """The tombstone that was left on the dead host."""

    fence: int
    turn: int


def choose_hosts(run: Run[EvacuateParams]) -> Done | Wait:
    """Ask the scheduler. Raises: StepFailed when no host fits; Unavailable when no scheduler answers."""
    return placing.choose(run, _request(run))


def _request(run: Run[EvacuateParams]) -> PlacementRequest:
    return placing.request_to_move(run, run.params.flavor, leaves=run.params.source)


def claim_host(run: Run[EvacuateParams]) -> Done:
    """Take room on a host that fits, beside what the server holds on the dead one. Raises: Back to choose anew."""
    done = placing.claim_first_fit(run, _request(run), ClaimRole.INCOMING)
    assert isinstance(done.result, Claimed)  # noqa: S101 - for the type checker
    _mark(run, MigrationStatus.PRE_MIGRATING, dest=done.result.host)
    return done


def release_claim(run: Run[EvacuateParams]) -> Done:
    """Give the room back."""
    return placing.release(run, ClaimRole.INCOMING)


def owe_removal(run: Run[EvacuateParams]) -> Done:
    """Leave a tombstone on the dead host. Raises: StepFailed when it is not dead by proof any more."""
    params = run.params
    if not death.is_proven(hosts.get_host(run.tx, params.source)):
        raise StepFailed("Nothing proves any more that the server's host is dead.", code=409)
    hosts.owe_removal(run.tx, params.source, params.server_id, fence=run.fence, turn=run.turn)
    return Done(Owed(fence=run.fence, turn=run.turn))


def spare(run: Run[EvacuateParams]) -> Done:
    """Let the dead host keep its copy, unless it has returned and obeyed already."""
    owed = run.find_out(Owed)
    if owed is not None:
        hosts.removal_done(run.tx, run.params.source, run.params.server_id, fence=owed.fence, turn=owed.turn)
    return Done()


def bind_ports(run: Run[EvacuateParams]) -> Done:
    """Bind the ports to the new host. Raises: Unavailable."""
    ports: Ports = run.ports
    ports.network.bind_ports(run.params.server_id, run.out(Claimed).host)
    return Done()


def bind_back(run: Run[EvacuateParams]) -> Done:
    """Bind the ports to the dead host again."""
    ports: Ports = run.ports
    ports.network.bind_ports(run.params.server_id, run.params.source)
    return Done()


def build_guest(run: Run[EvacuateParams]) -> Done | Wait:
    """Have the new host build the guest, while the old one is dead or has removed its copy.

    Raises: Back to another host when this one is at fault; StepFailed when no host could cure it.
    """
    ports, params, host = run.ports, run.params, run.out(Claimed).host
    report = run.report()
    if report is not None:
        report.raise_if_fault(back_to="claim_host")
        return Done()
    standing = ports.hosts.look(host)
    if standing is None or standing.lost:
        raise StepFailed("The host was lost while it built the server.")
    with ports.database.read() as tx:
        server = dataclasses.replace(records.get(tx, params.server_id), flat_disk=False)  # it is made of its image
        may_live = not death.is_proven(hosts.get_host(tx, params.source))
        if may_live and any(one.server_id == params.server_id for one in hosts.list_owed(tx, params.source)):
            run.note(f"{params.source} has returned: the new guest waits until it has removed its own", params.source)
            return Wait(RETURN_S)
    image = None
    if server.image_id is not None:
        try:
            image = ports.images.source_for(server.image_id, host, valid_s=TICKET_S)
        except (errors.NotFound, errors.Conflict) as error:
            raise StepFailed(f"The image cannot be used any more: {error.message}", code=409) from error
    bound = ports.network.bind_ports(params.server_id, host, params.networks)
    interfaces, direct = tuple(port.interface for port in bound), direct_boot(ports, server.image_properties, host)
    spec = guest_spec(server, image, interfaces, direct=direct, admin_pass=params.admin_pass)
    ports.compute.order(host, EnsureGuest(head=head(run, standing), spec=spec))
    run.sent(host, "ensure_guest")
    return Wait(REPEAT_S, host)


def remove_built(run: Run[EvacuateParams]) -> Done | Wait:
    """Have the new host forget all of it."""
    claimed = run.find_out(Claimed)
    return Done() if claimed is None else removed_for_certain(run, claimed.host)


def turn_off(run: Run[EvacuateParams]) -> Done | Wait:
    """Have a guest off that is to be so."""
    if run.params.running:
        return Done()
    return obeyed(run, run.out(Claimed).host, lambda head: EnsurePower(head=head, power=Power.OFF, graceful_s=0.0))


def mark_evacuated(run: Run[EvacuateParams]) -> Done:
    """Settle the server on its new host."""
    params, tx = run.params, run.tx
    claims.release(tx, params.server_id, ClaimRole.CURRENT)
    claims.turn(tx, params.server_id, ClaimRole.INCOMING, ClaimRole.CURRENT)
    records.update(
        tx,
        params.server_id,
        state=ServerState.ACTIVE if params.running else ServerState.STOPPED,
        power_state=PowerState.RUNNING if params.running else PowerState.SHUTDOWN,
        host=run.out(Claimed).host,
        flat_disk=False,
        fault=None,
    )
    _mark(run, MigrationStatus.DONE)
    records.announce(tx, params.server_id, "rebuild.end", notice_of(run))
    return Done()


def give_up(run: Run[EvacuateParams]) -> None:
    """Leave the server on its dead host, whose copy is spared."""
    _mark(run, MigrationStatus.FAILED)
    records.announce(run.tx, run.params.server_id, "rebuild.error", notice_of(run))


def _mark(run: Run[EvacuateParams], status: MigrationStatus, *, dest: HostName | None = None) -> None:
    found = moves.of_operation(run.tx, run.params.server_id, run.operation_id)
    if found is not None:
        moves.mark(run.tx, found.id, status, dest=dest)


EVACUATE = Workflow(
    name="evacuate",
    version=1,
    params=EvacuateParams,
    steps=(
        #        name            do             undo           shown as                         deadline
        Outside("choose_hosts", choose_hosts, None, TaskState.REBUILDING, seconds(CHOOSE_S)),  # reads only
        Record("claim_host", claim_host, release_claim, TaskState.REBUILDING, seconds(60)),
        Record("owe_removal", owe_removal, spare, TaskState.REBUILDING, seconds(60)),
        Outside("bind_ports", bind_ports, bind_back, TaskState.REBUILD_BLOCK_DEVICE, minutes(2)),
        Outside("build_guest", build_guest, remove_built, TaskState.REBUILD_SPAWNING, minutes(30)),
        # No undo: that of build_guest removes it.
        Outside("turn_off", turn_off, None, TaskState.REBUILD_SPAWNING, minutes(5)),
        Record("mark_evacuated", mark_evacuated, None, TaskState.REBUILD_SPAWNING, seconds(60)),  # the last
    ),
    on_failure=give_up,
    on_cancel=give_up,
    on_delete=delete.begin_after,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evacuation:
    """What is asked: a host, or any; a password for the config drive; whether the server is left off."""

    host: HostName | None = None
    admin_pass: str | None = None
    leave_off: bool = False


def accept(desk: Desk, context: Context, server_id: ServerId, asked: Evacuation) -> None:
    """Accept an evacuation. Raises: NotFound; Conflict; BadRequest while nothing proves that the server's host is dead."""

    def work(tx: Tx) -> None:
        server = ready(tx, server_id, "evacuate")
        source = host_of(server)
        if not death.is_proven(hosts.get_host(tx, source)):
            raise errors.BadRequest(
                "Compute service of the server's host is still in use, or only silent: force it down first."
            )
        params = EvacuateParams(
            server_id=server_id,
            source=source,
            flavor=server.flavor,
            running=server.state is not ServerState.STOPPED and not asked.leave_off,
            dest=asked.host,
            image_properties=server.image_properties,
            zone=server.requested_zone,
            networks=server.requested_networks,
            hints=hints_of(tx, server),
            admin_pass=asked.admin_pass if server.config_drive else None,
        )
        beginning = Beginning(server=server, workflow=EVACUATE, params=params, event="rebuild", closes=True)
        operation_id = begin(desk, tx, context, beginning)
        move = moves.Move(
            type=MigrationType.EVACUATION, status=MigrationStatus.ACCEPTED, dest=asked.host, user_id=context.user_id
        )
        moves.begin(tx, server, source, operation_id, move)

    desk.database.transact(work)
