"""Resize and cold migration: the guest is off while its disks go to another host, or to another size on the same one.

What was is set aside on the source, so that a revert finds it as it was; it ends with `confirm` or `revert`
(workflows/resized.py). At no moment may two guests of a server run: the target's starts only when the source's is set aside.
"""

from __future__ import annotations

import dataclasses
import hashlib
import secrets
from collections.abc import Callable, Mapping

from nova_lite import errors
from nova_lite.context import Context
from nova_lite.db.engine import Tx
from nova_lite.durable.workflow import Done, Outside, Record, Run, StepFailed, Wait, Workflow, minutes, seconds
from nova_lite.inventory import claims, hosts
from nova_lite.model.flavor import Flavor
from nova_lite.model.guest import GuestSpec, PowerState
from nova_lite.model.ids import HostName, ImageId, ProjectId, ServerId
from nova_lite.model.migration import MigrationStatus, MigrationType
from nova_lite.model.placement import Hints, PlacementRequest
from nova_lite.model.resources import ClaimRole
from nova_lite.model.server import RequestedNetwork, Server, ServerState, TaskState
from nova_lite.rpc.commands import BringDisks, Command, CommandHead, FinishMove, HoldDisks, MoveSource, RestoreGuest
from nova_lite.servers import groups, moves, records
from nova_lite.workflows import books, delete, placing
from nova_lite.workflows.accepting import Beginning, begin, host_of, ready
from nova_lite.workflows.desk import Desk
from nova_lite.workflows.orders import direct_boot, guest_spec, image_under, insisted, notice_of, obeyed, removed_for_certain
from nova_lite.workflows.placing import CHOOSE_S, Claimed
from nova_lite.workflows.ports import Ports
from nova_lite.workflows.power import GRACEFUL_S

TOKEN_BYTES = 32
CommandOfSpec = Callable[[CommandHead, GuestSpec], Command]


@dataclasses.dataclass(frozen=True, kw_only=True)
class MoveParams:
    """What moves, from where, into which size. `dest`: a host that was named.

    `token` opens the source's disks to the target.
    """

    server_id: ServerId
    source: HostName
    old_flavor: Flavor
    new_flavor: Flavor
    running: bool
    event: str
    dest: HostName | None = None
    image_id: ImageId | None = None
    image_properties: Mapping[str, str] = dataclasses.field(default_factory=dict)
    zone: str | None = None
    networks: tuple[RequestedNetwork, ...] = ()
    hints: Hints = dataclasses.field(default_factory=Hints)
    may_stay: bool = False
    token: str = dataclasses.field(default="", metadata={"secret": True})  # emptied at the end


def choose_hosts(run: Run[MoveParams]) -> Done | Wait:
    """Ask the scheduler. Raises: StepFailed when no host fits; Unavailable when no scheduler answers."""
    return placing.choose(run, request_of(run))


def request_of(run: Run[MoveParams]) -> PlacementRequest:
    """Say what the server needs of its next host."""
    params, ports = run.params, run.ports
    stays = params.may_stay and ports.moves.allow_resize_to_same_host
    return placing.request_to_move(run, params.new_flavor, leaves=None if stays else params.source)


def claim_host(run: Run[MoveParams]) -> Done:
    """Take room on a host that fits, beside what the server holds where it is. Raises: Back to choose anew."""
    done = placing.claim_first_fit(run, request_of(run), ClaimRole.INCOMING)
    assert isinstance(done.result, Claimed)  # noqa: S101 - for the type checker
    mark(run, MigrationStatus.MIGRATING, dest=done.result.host)
    return done


def release_claim(run: Run[MoveParams]) -> Done:
    """Give the room back."""
    return placing.release(run, ClaimRole.INCOMING)


def hold_disks(run: Run[MoveParams]) -> Done | Wait:
    """Have the source turn the guest off and set it aside."""
    params = run.params
    digest = None if _stays(run) else hashlib.sha256(params.token.encode()).hexdigest()
    return obeyed(run, params.source, lambda head: HoldDisks(head=head, token_sha256=digest, graceful_s=GRACEFUL_S))


def restore_guest(run: Run[MoveParams]) -> Done | Wait:
    """Have the source take back what was set aside; a host that is away is waited for."""
    running = run.params.running
    return insisted(run, run.params.source, lambda head: RestoreGuest(head=head, running=running))


def bring_disks(run: Run[MoveParams]) -> Done | Wait:
    """Have the target fetch the disks and make them as large as they are to be."""
    source = None if _stays(run) else _source_of(run)
    return _with_spec(run, lambda head, spec: BringDisks(head=head, spec=spec, source=source))


def remove_brought(run: Run[MoveParams]) -> Done | Wait:
    """Have the target forget all of it; on the same host restoring does that."""
    claimed = run.find_out(Claimed)
    if claimed is None or _stays(run):
        return Done()
    return removed_for_certain(run, claimed.host)


def bind_ports(run: Run[MoveParams]) -> Done:
    """Bind the ports to the target. Raises: Unavailable."""
    ports: Ports = run.ports
    mark_outside(run, MigrationStatus.POST_MIGRATING)
    ports.network.bind_ports(run.params.server_id, run.out(Claimed).host)
    return Done()


def bind_back(run: Run[MoveParams]) -> Done:
    """Bind the ports to the source again."""
    ports: Ports = run.ports
    ports.network.bind_ports(run.params.server_id, run.params.source)
    return Done()


def finish_move(run: Run[MoveParams]) -> Done | Wait:
    """Have the target make the guest over its disks, on or off as it was."""
    running = run.params.running
    return _with_spec(run, lambda head, spec: FinishMove(head=head, spec=spec, running=running))


def mark_resized(run: Run[MoveParams]) -> Done:
    """Settle the server as resized on its new host: it holds room on both until somebody confirms or reverts."""
    params, tx = run.params, run.tx
    claims.turn(tx, params.server_id, ClaimRole.CURRENT, ClaimRole.HELD)
    claims.turn(tx, params.server_id, ClaimRole.INCOMING, ClaimRole.CURRENT)
    records.update(
        tx,
        params.server_id,
        state=ServerState.RESIZED,
        power_state=PowerState.RUNNING if params.running else PowerState.SHUTDOWN,
        host=run.out(Claimed).host,
        flavor=params.new_flavor,
        fault=None,
    )
    mark(run, MigrationStatus.FINISHED)
    records.announce(tx, params.server_id, f"{params.event}_finish.end", notice_of(run))
    return Done()


def give_up(run: Run[MoveParams]) -> None:
    """Leave the server as it was; what a larger size had taken of the quota is given back."""
    params = run.params
    books.give_back_difference(run.tx, ProjectId(run.project_id), held=params.new_flavor, kept=params.old_flavor)
    mark(run, MigrationStatus.ERROR)
    records.announce(run.tx, params.server_id, f"{params.event}.error", notice_of(run))


def mark(run: Run[MoveParams], status: MigrationStatus, *, dest: HostName | None = None) -> None:
    """Say in the record how far the move is, in the step's own transaction."""
    found = moves.of_operation(run.tx, run.params.server_id, run.operation_id)
    if found is not None:
        moves.mark(run.tx, found.id, status, dest=dest)


def mark_outside(run: Run[MoveParams], status: MigrationStatus) -> None:
    """Say in the record how far the move is, in a step that acts outside."""
    ports: Ports = run.ports

    def work(tx: Tx) -> None:
        found = moves.of_operation(tx, run.params.server_id, run.operation_id)
        if found is not None:
            moves.mark_under_way(tx, found.id, status)

    ports.database.transact(work)


def _stays(run: Run[MoveParams]) -> bool:
    claimed = run.find_out(Claimed)
    return claimed is not None and claimed.host == run.params.source


def _source_of(run: Run[MoveParams]) -> MoveSource:
    """Say where the target fetches the disks. Raises: StepFailed when the source gives none away."""
    ports: Ports = run.ports
    with ports.database.read() as tx:
        facts = hosts.get_host(tx, run.params.source).facts
    if facts.moves is None:
        raise StepFailed("The server's host cannot give disks to other hosts: its daemon is of an older release.", code=409)
    return MoveSource(
        host=run.params.source,
        address=facts.host_ip,
        port=facts.moves.port,
        fingerprint=facts.moves.fingerprint,
        token=run.params.token,
    )


def _with_spec(run: Run[MoveParams], command: CommandOfSpec) -> Done | Wait:
    """Have the target obey a command that says what the guest is made of."""
    ports: Ports = run.ports
    host = run.out(Claimed).host
    report = run.report()
    if report is not None:
        report.raise_if_fault(back_to="claim_host")
        return Done()
    with ports.database.read() as tx:
        server = records.get(tx, run.params.server_id)
    image = image_under(ports, server, host)
    bound = ports.network.bound_ports(run.params.server_id, run.params.networks)
    moved = dataclasses.replace(server, flavor=run.params.new_flavor)
    interfaces, direct = tuple(port.interface for port in bound), direct_boot(ports, server.image_properties, host)
    spec = guest_spec(moved, image, interfaces, direct=direct)
    return obeyed(run, host, lambda head: command(head, spec))


def workflow_of(name: str) -> Workflow[MoveParams]:
    """Make the table of steps under one name: the Compute API tells resize and migrate apart."""
    return Workflow(
        name=name,
        version=1,
        params=MoveParams,
        steps=(
            #        name            do             undo            shown as                      deadline
            Outside("choose_hosts", choose_hosts, None, TaskState.RESIZE_PREP, seconds(CHOOSE_S)),  # reads only
            Record("claim_host", claim_host, release_claim, TaskState.RESIZE_PREP, seconds(60)),
            Outside("hold_disks", hold_disks, restore_guest, TaskState.RESIZE_MIGRATING, minutes(10)),
            Outside("bring_disks", bring_disks, remove_brought, TaskState.RESIZE_MIGRATING, minutes(240)),
            Outside("bind_ports", bind_ports, bind_back, TaskState.RESIZE_MIGRATED, minutes(2)),
            # No undo of its own: that of bring_disks removes the guest with its disks.
            Outside("finish_move", finish_move, None, TaskState.RESIZE_FINISH, minutes(30)),
            Record("mark_resized", mark_resized, None, TaskState.RESIZE_FINISH, seconds(60)),  # the last
        ),
        on_failure=give_up,
        on_cancel=give_up,
        on_delete=delete.begin_after,
    )


RESIZE = workflow_of("resize")
MIGRATE = workflow_of("migrate")


def accept_resize(desk: Desk, context: Context, server_id: ServerId, flavor: Flavor, *, disk_config: str | None = None) -> None:
    """Accept another size. Raises: NotFound; Conflict; OverQuota; BadRequest for a size that the disks do not fit into."""

    def work(tx: Tx) -> None:
        server = ready(tx, server_id, "resize")
        _require_room_for_disks(server, flavor)
        books.reserve_growth(tx, server, flavor)
        if disk_config is not None:
            records.update(tx, server_id, disk_config=disk_config)
        _accept(desk, tx, context, server, RESIZE, new_flavor=flavor)

    desk.database.transact(work)


def accept_migrate(desk: Desk, context: Context, server_id: ServerId, *, host: HostName | None = None) -> None:
    """Accept a cold migration, to a host that is named or one that the scheduler chooses. Raises: NotFound; Conflict."""

    def work(tx: Tx) -> None:
        server = ready(tx, server_id, "migrate")
        _accept(desk, tx, context, server, MIGRATE, host=host)

    desk.database.transact(work)


def _require_room_for_disks(server: Server, flavor: Flavor) -> None:
    """Refuse what would cut a disk off. Raises: BadRequest."""
    old = server.flavor
    if flavor.disk_gib == 0 and old.disk_gib != 0:
        raise errors.BadRequest("Resize to zero disk flavor is not allowed.")
    if flavor.disk_gib < old.disk_gib:
        raise errors.BadRequest(f"The disk of {old.disk_gib} GiB cannot shrink to {flavor.disk_gib} GiB.")
    if flavor.ephemeral_gib < old.ephemeral_gib:
        raise errors.BadRequest(f"The ephemeral disk of {old.ephemeral_gib} GiB cannot shrink to {flavor.ephemeral_gib} GiB.")


def _accept(
    desk: Desk,
    tx: Tx,
    context: Context,
    server: Server,
    workflow: Workflow[MoveParams],
    *,
    new_flavor: Flavor | None = None,
    host: HostName | None = None,
) -> None:
    source, event = host_of(server), "resize"
    params = MoveParams(
        server_id=server.id,
        source=source,
        old_flavor=server.flavor,
        new_flavor=new_flavor or server.flavor,
        running=server.state is ServerState.ACTIVE,
        event=event,
        dest=host,
        image_id=server.image_id,
        image_properties=server.image_properties,
        zone=server.requested_zone,
        networks=server.requested_networks,
        hints=hints_of(tx, server),
        may_stay=new_flavor is not None,
        token=secrets.token_urlsafe(TOKEN_BYTES),
    )
    beginning = Beginning(server=server, workflow=workflow, params=params, event=event, closes=True)
    operation_id = begin(desk, tx, context, beginning)
    move = moves.Move(
        type=MigrationType.MIGRATION if new_flavor is None else MigrationType.RESIZE,
        status=MigrationStatus.PRE_MIGRATING,
        new_flavor=new_flavor,
        dest=host,
        user_id=context.user_id,
    )
    moves.begin(tx, server, source, operation_id, move)


def hints_of(tx: Tx, server: Server) -> Hints:
    """Give what still counts of the hints that a server was made with: its group."""
    return Hints(group_id=groups.find_of(tx, server))
