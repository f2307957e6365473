"""Delete: from an accepted request to nothing left: no guest, port, claim or quota. It never turns back."""

from __future__ import annotations

import dataclasses
from typing import Any

from nova_lite import errors
from nova_lite.context import Context
from nova_lite.db.engine import Tx
from nova_lite.durable import journal
from nova_lite.durable.workflow import Done, Outside, Priority, Record, Run, Step, Wait, Workflow, minutes, seconds
from nova_lite.inventory import claims
from nova_lite.model.guest import PowerState
from nova_lite.model.ids import HostName, OperationId, ProjectId, ServerId
from nova_lite.model.migration import MigrationStatus
from nova_lite.model.resources import ClaimRole
from nova_lite.model.server import Server, ServerState, TaskState
from nova_lite.servers import groups, moves, records
from nova_lite.servers.notices import Notice
from nova_lite.workflows import books
from nova_lite.workflows.desk import SERVER, Desk
from nova_lite.workflows.orders import notice_of, remove_from
from nova_lite.workflows.ports import Ports

CHILDREN_S = 5.0  # the last one wakes us; this is the fallback


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeleteParams:
    """Whose end it is, and where it lived when the end began."""

    server_id: ServerId
    host: HostName | None = None
    held_host: HostName | None = None  # has what a resize set aside


def remove_guest(run: Run[DeleteParams]) -> Done | Wait:
    """Have the host remove the guest; at once done when it never had a host, a tombstone when the host is down.

    What runs on the server's attachments was cancelled when this was accepted: first that comes to its end.
    """
    ports: Ports = run.ports
    with ports.database.read() as tx:
        if journal.children_of(tx, SERVER, run.params.server_id):
            return Wait(CHILDREN_S)
    if run.params.host is None:
        return Done()
    return remove_from(run, run.params.host)


def remove_held(run: Run[DeleteParams]) -> Done | Wait:
    """Have the other host of a server that was resized remove what it set aside."""
    return Done() if run.params.held_host is None else remove_from(run, run.params.held_host)


def remove_ports(run: Run[DeleteParams]) -> Done:
    """Delete the ports made for the server, give back its owner's."""
    ports: Ports = run.ports
    ports.network.remove_ports(run.params.server_id)
    return Done()


def close_books(run: Run[DeleteParams]) -> Done:
    """Give room and quota back, leave the group and settle the server as deleted, all in one transaction."""
    server = records.get(run.tx, run.params.server_id)
    claims.release(run.tx, run.params.server_id)
    move = moves.waiting_for_answer(run.tx, server.id) if server.state is ServerState.RESIZED else None
    books.give_back(run.tx, ProjectId(server.project_id), server.flavor)
    if move is not None:
        books.give_back_difference(run.tx, ProjectId(server.project_id), held=move.old_flavor, kept=move.new_flavor)
        moves.mark(run.tx, move.id, MigrationStatus.CONFIRMED)
    if "group" in server.scheduler_hints:
        groups.leave(run.tx, server.id)
    records.update(
        run.tx,
        run.params.server_id,
        state=ServerState.DELETED,
        power_state=PowerState.NOSTATE,
        host=None,
        addresses=(),
        terminated_at=run.tx.database.clock.wall(),
    )
    records.announce(run.tx, run.params.server_id, "delete.end", notice_of(run))
    return Done()


# No undo anywhere: once begun it only goes on.
REMOVE_GUEST = Outside("remove_guest", remove_guest, None, TaskState.DELETING, minutes(10), commits=True)
REMOVE_HELD = Outside("remove_held", remove_held, None, TaskState.DELETING, minutes(10), commits=True)
REMOVE_PORTS = Outside("remove_ports", remove_ports, None, TaskState.DELETING, minutes(2), commits=True)
CLOSE_BOOKS = Record("close_books", close_books, None, TaskState.DELETING, seconds(60), commits=True)


def _workflow(version: int, *steps: Step) -> Workflow[DeleteParams]:
    return Workflow(name="delete", version=version, params=DeleteParams, steps=steps, priority=Priority.DELETE)


DELETE = _workflow(1, REMOVE_GUEST, REMOVE_PORTS, CLOSE_BOOKS)
DELETE_RESIZED = _workflow(2, REMOVE_GUEST, REMOVE_HELD, REMOVE_PORTS, CLOSE_BOOKS)  # there is something on a second host


def accept(desk: Desk, context: Context, server_id: ServerId) -> None:
    """Accept the end of a server, in whatever state it is. May be repeated: a second call finds the first one's work.

    During another operation it is a signal that unwinds it, or that waits for its end once there is no way back.
    Raises: NotFound when the server is deleted already; Conflict, Unavailable when others begin operations on it all the time.
    """
    desk.database.transact(lambda tx: _accept(desk, tx, context, server_id))


def _accept(desk: Desk, tx: Tx, context: Context, server_id: ServerId) -> None:
    """Tell what runs on the server, or begin; what runs may end, and another begin, between any two statements here."""
    for last in (False, False, True):
        live = journal.live_operation(tx, SERVER, server_id)
        server = records.get(tx, server_id)  # after the look: what has ended since may have given it a host
        if live is not None and live.workflow == DELETE.name:
            return
        if live is not None:
            body = {"user_id": context.user_id, "request_id": context.request_id}
            if journal.send_signal(tx, live.id, "delete", body):
                desk.ring_after(tx, live.id)
                return
            continue
        try:
            desk.ring_after(tx, begin(tx, server, user_id=context.user_id, request_id=context.request_id))
            return
        except errors.Conflict:
            if last:
                raise
    raise errors.Unavailable("The server's operations change too fast; try again.")


def begin_after(run: Run[Any]) -> None:
    """Begin the delete that was asked while another operation ran: the last act of that one's last transaction."""
    asked = next(signal.body for signal in run.signals if signal.name == "delete")
    server = records.get(run.tx, ServerId(run.subject_id))
    begin(run.tx, server, user_id=asked.get("user_id"), request_id=asked.get("request_id"))


def begin(tx: Tx, server: Server, *, user_id: str | None, request_id: str | None) -> OperationId:
    """Accept the end of a server that no operation is on. Raises: Conflict when one is."""
    held = claims.find_host(tx, server.id, ClaimRole.HELD) if server.state is ServerState.RESIZED else None
    held = held if held != server.host else None
    operation_id = journal.accept(
        tx,
        journal.NewOperation(
            workflow=DELETE if held is None else DELETE_RESIZED,
            subject_kind=SERVER,
            subject_id=server.id,
            params=DeleteParams(server_id=server.id, host=server.host, held_host=held),
            project_id=server.project_id,
            user_id=user_id,
            request_id=request_id,
            ends=True,
        ),
    )
    notice = Notice(user_id=user_id, project_id=server.project_id, request_id=request_id, task=TaskState.DELETING.value)
    records.announce(tx, server.id, "delete.start", notice)
    return operation_id
