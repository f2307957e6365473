"""What ends a resize or cold migration: confirm drops what was set aside, revert takes it back. Neither turns back."""

from __future__ import annotations

import dataclasses

from nova_lite import errors
from nova_lite.context import Context
from nova_lite.db.engine import Tx
from nova_lite.durable.workflow import Done, Outside, Record, Run, Wait, Workflow, minutes, seconds
from nova_lite.inventory import claims
from nova_lite.model.flavor import Flavor
from nova_lite.model.guest import PowerState
from nova_lite.model.ids import HostName, ProjectId, ServerId
from nova_lite.model.migration import MigrationStatus
from nova_lite.model.resources import ClaimRole
from nova_lite.model.server import ServerState, TaskState
from nova_lite.rpc.commands import DropHeld, RestoreGuest
from nova_lite.servers import moves, records
from nova_lite.workflows import books, delete
from nova_lite.workflows.accepting import Beginning, begin, host_of, ready
from nova_lite.workflows.desk import Desk
from nova_lite.workflows.orders import insisted, notice_of, remove_from, removed_for_certain
from nova_lite.workflows.ports import Ports


@dataclasses.dataclass(frozen=True, kw_only=True)
class ResizedParams:
    """A move that waits for its answer: `source` has what was set aside, `host` the guest."""

    server_id: ServerId
    migration_id: int
    source: HostName
    host: HostName
    old_flavor: Flavor
    new_flavor: Flavor
    was_running: bool


def drop_held(run: Run[ResizedParams]) -> Done | Wait:
    """Have the source forget what was set aside; a host that is down does so when it returns."""
    params = run.params
    if params.source == params.host:
        return insisted(run, params.source, lambda head: DropHeld(head=head))
    return remove_from(run, params.source)


def mark_confirmed(run: Run[ResizedParams]) -> Done:
    """Settle the server in its new size; what the old one needed more of room and quota is given back."""
    params, tx = run.params, run.tx
    claims.release(tx, params.server_id, ClaimRole.HELD)
    books.give_back_difference(tx, ProjectId(run.project_id), held=params.old_flavor, kept=params.new_flavor)
    power = records.get(tx, params.server_id).power_state
    records.update(tx, params.server_id, state=_state(power is PowerState.RUNNING), fault=None)
    moves.mark(tx, params.migration_id, MigrationStatus.CONFIRMED)
    records.announce(tx, params.server_id, "resize_confirm.end", notice_of(run))
    return Done()


def remove_moved(run: Run[ResizedParams]) -> Done | Wait:
    """Have the target forget the guest; on the same host restoring does that."""
    if run.params.source == run.params.host:
        return Done()
    return removed_for_certain(run, run.params.host)


def bind_back(run: Run[ResizedParams]) -> Done:
    """Bind the ports to the source again. Raises: Unavailable."""
    ports: Ports = run.ports
    ports.network.bind_ports(run.params.server_id, run.params.source)
    return Done()


def restore_guest(run: Run[ResizedParams]) -> Done | Wait:
    """Have the source take back what was set aside."""
    running = run.params.was_running
    return insisted(run, run.params.source, lambda head: RestoreGuest(head=head, running=running))


def mark_reverted(run: Run[ResizedParams]) -> Done:
    """Settle the server where and as it was before."""
    params, tx = run.params, run.tx
    claims.release(tx, params.server_id, ClaimRole.CURRENT)
    claims.turn(tx, params.server_id, ClaimRole.HELD, ClaimRole.CURRENT)
    books.give_back_difference(tx, ProjectId(run.project_id), held=params.new_flavor, kept=params.old_flavor)
    records.update(
        tx,
        params.server_id,
        state=_state(params.was_running),
        power_state=PowerState.RUNNING if params.was_running else PowerState.SHUTDOWN,
        host=params.source,
        flavor=params.old_flavor,
        fault=None,
    )
    moves.mark(tx, params.migration_id, MigrationStatus.REVERTED)
    records.announce(tx, params.server_id, "resize_revert.end", notice_of(run))
    return Done()


def _state(running: bool) -> ServerState:
    return ServerState.ACTIVE if running else ServerState.STOPPED


# No undo anywhere: once begun, either only goes on.
CONFIRM = Workflow(
    name="confirm_resize",
    version=1,
    params=ResizedParams,
    steps=(
        Outside("drop_held", drop_held, None, TaskState.RESIZE_CONFIRMING, minutes(10), commits=True),
        Record("mark_confirmed", mark_confirmed, None, TaskState.RESIZE_CONFIRMING, seconds(60), commits=True),
    ),
    on_delete=delete.begin_after,
)
REVERT = Workflow(
    name="revert_resize",
    version=1,
    params=ResizedParams,
    steps=(
        Outside("remove_moved", remove_moved, None, TaskState.RESIZE_REVERTING, minutes(10), commits=True),
        Outside("bind_back", bind_back, None, TaskState.RESIZE_REVERTING, minutes(2), commits=True),
        Outside("restore_guest", restore_guest, None, TaskState.RESIZE_REVERTING, minutes(10), commits=True),
        Record("mark_reverted", mark_reverted, None, TaskState.RESIZE_REVERTING, seconds(60), commits=True),
    ),
    on_delete=delete.begin_after,
)


def accept_confirm(desk: Desk, context: Context, server_id: ServerId) -> None:
    """Accept that a move is good. Raises: NotFound; Conflict when none waits for that, or another operation runs."""
    desk.database.transact(lambda tx: _accept(desk, tx, context, server_id, CONFIRM))


def accept_revert(desk: Desk, context: Context, server_id: ServerId) -> None:
    """Accept that a move is taken back. Raises: NotFound; Conflict when none waits for that, or another operation runs."""
    desk.database.transact(lambda tx: _accept(desk, tx, context, server_id, REVERT))


def _accept(desk: Desk, tx: Tx, context: Context, server_id: ServerId, workflow: Workflow[ResizedParams]) -> None:
    confirms = workflow is CONFIRM
    server = ready(tx, server_id, "confirmResize" if confirms else "revertResize")
    move = moves.waiting_for_answer(tx, server_id)
    if move is None:
        raise errors.Conflict("The server has no resize that waits to be confirmed or reverted.")
    params = ResizedParams(
        server_id=server_id,
        migration_id=move.id,
        source=move.source,
        host=host_of(server),
        old_flavor=move.old_flavor,
        new_flavor=move.new_flavor,
        was_running=move.was_running,
    )
    event = "resize_confirm" if confirms else "resize_revert"
    begin(desk, tx, context, Beginning(server=server, workflow=workflow, params=params, event=event, closes=True))
    moves.mark(tx, move.id, MigrationStatus.CONFIRMING if confirms else MigrationStatus.REVERTING)
