"""Restore: a server that was deleted softly comes back: first its record, turned off, then its guest."""

from __future__ import annotations

import dataclasses

from nova_lite.context import Context
from nova_lite.db.engine import Tx
from nova_lite.durable.workflow import Done, Outside, Record, Run, Wait, Workflow, minutes, seconds
from nova_lite.model.guest import PowerState
from nova_lite.model.ids import HostName, ServerId
from nova_lite.model.server import ServerState, TaskState
from nova_lite.rpc.commands import EnsurePower, Power
from nova_lite.servers import records
from nova_lite.workflows import books, delete
from nova_lite.workflows.accepting import Beginning, begin, host_of, ready
from nova_lite.workflows.desk import Desk
from nova_lite.workflows.orders import notice_of, obeyed


@dataclasses.dataclass(frozen=True, kw_only=True)
class RestoreParams:
    """Which server comes back, and where it lives."""

    server_id: ServerId
    host: HostName


def power_on(run: Run[RestoreParams]) -> Done | Wait:
    """Have the guest running."""
    return obeyed(run, run.params.host, lambda head: EnsurePower(head=head, power=Power.ON))


def mark_active(run: Run[RestoreParams]) -> Done:
    """Settle the server as ACTIVE."""
    records.update(run.tx, run.params.server_id, state=ServerState.ACTIVE, power_state=PowerState.RUNNING, fault=None)
    records.announce(run.tx, run.params.server_id, "restore.end", notice_of(run))
    return Done()


def tell_failure(run: Run[RestoreParams]) -> None:
    """Tell other services: the server is back, and off."""
    records.announce(run.tx, run.params.server_id, "restore.error", notice_of(run))


RESTORE = Workflow(
    name="restore",
    version=1,
    params=RestoreParams,
    steps=(
        # No undo: what does not start is a restored server that is off; hiding it again would surprise its owner.
        Outside("power_on", power_on, None, TaskState.RESTORING, minutes(5)),
        Record("mark_active", mark_active, None, TaskState.RESTORING, seconds(60)),
    ),
    on_failure=tell_failure,
    on_delete=delete.begin_after,
)


def accept(desk: Desk, context: Context, server_id: ServerId) -> None:
    """Accept a restore: quota is taken and the record is back, turned off, in the same transaction.

    Raises: NotFound; Conflict when it was not deleted softly; OverQuota, and then nothing is changed.
    """

    def work(tx: Tx) -> None:
        server = ready(tx, server_id, "restore")
        params = RestoreParams(server_id=server_id, host=host_of(server))
        books.reserve(tx, server.project_id, server.flavor, 1)
        books.require_room_of_user(tx, server, 1)
        begin(desk, tx, context, Beginning(server=server, workflow=RESTORE, params=params, event="restore"))
        records.update(tx, server_id, state=ServerState.STOPPED, terminated_at=None)

    desk.database.transact(work)
