"""Delete: from an accepted request to nothing left: no guest, port, claim or quota. It never turns back.

Where deleted servers are kept for a while, a delete turns the guest off first and hides the server: softly. It can be
restored until it is reclaimed (conductor/reconcilers/reclaim.py), which is the delete for good.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
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
from nova_lite.rpc.commands import EnsurePower, Power
from nova_lite.servers import groups, moves, records
from nova_lite.servers.notices import Notice
from nova_lite.workflows import books
from nova_lite.workflows.desk import SERVER, Desk
from nova_lite.workflows.orders import notice_of, obeyed, remove_from
from nova_lite.workflows.ports import Ports

GRACEFUL_S = 60.0  # how long a guest that is deleted softly may take to shut itself down
NO_GUEST = "no_guest"
NOT_SOFTLY = (ServerState.BUILDING, ServerState.RESIZED, ServerState.SOFT_DELETED)  # a resized one has two guests
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
    if server.state is not ServerState.SOFT_DELETED:  # which costs nothing
        _give_back(run.tx, server)
    if server.shelved_image_id is not None:
        ports: Ports = run.ports
        ports.images.discard(run.tx, server.shelved_image_id)
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


def _give_back(tx: Tx, server: Server) -> None:
    """Give quota back; of a server between two sizes, that of the larger one."""
    move = moves.waiting_for_answer(tx, server.id) if server.state is ServerState.RESIZED else None
    books.give_back(tx, ProjectId(server.project_id), server.flavor)
    if move is not None:
        books.give_back_difference(tx, ProjectId(server.project_id), held=move.old_flavor, kept=move.new_flavor)
        moves.mark(tx, move.id, MigrationStatus.CONFIRMED)


# No undo anywhere: once begun it only goes on.
REMOVE_GUEST = Outside("remove_guest", remove_guest, None, TaskState.DELETING, minutes(10), commits=True)
REMOVE_HELD = Outside("remove_held", remove_held, None, TaskState.DELETING, minutes(10), commits=True)
REMOVE_PORTS = Outside("remove_ports", remove_ports, None, TaskState.DELETING, minutes(2), commits=True)
CLOSE_BOOKS = Record("close_books", close_books, None, TaskState.DELETING, seconds(60), commits=True)


def _workflow(version: int, *steps: Step) -> Workflow[DeleteParams]:
    return Workflow(name="delete", version=version, params=DeleteParams, steps=steps, priority=Priority.DELETE)


DELETE = _workflow(1, REMOVE_GUEST, REMOVE_PORTS, CLOSE_BOOKS)
DELETE_RESIZED = _workflow(2, REMOVE_GUEST, REMOVE_HELD, REMOVE_PORTS, CLOSE_BOOKS)  # there is something on a second host


@dataclasses.dataclass(frozen=True, kw_only=True)
class SoftDeleteParams:
    """Which server is to be off and hidden, and where it lives."""

    server_id: ServerId
    host: HostName


def power_off(run: Run[SoftDeleteParams]) -> Done | Wait:
    """Have the guest off; one that is not there is. Where the host is lost, the server is hidden all the same.

    Raises: StepFailed when the host could not; the server stays as it was.
    """
    ports: Ports = run.ports
    host, report = run.params.host, run.report()
    if report is not None and report.code == NO_GUEST:
        return Done()
    standing = ports.hosts.look(host)
    if report is None and (standing is None or standing.lost):
        run.note(f"{host} is down: its guest is not off", host)
        return Done()
    return obeyed(run, host, lambda head: EnsurePower(head=head, power=Power.OFF, graceful_s=GRACEFUL_S))


def mark_soft_deleted(run: Run[SoftDeleteParams]) -> Done:
    """Hide the server and give its quota back; its room on the host stays its own."""
    server = records.get(run.tx, run.params.server_id)
    books.give_back(run.tx, ProjectId(server.project_id), server.flavor)
    records.update(
        run.tx,
        server.id,
        state=ServerState.SOFT_DELETED,
        power_state=PowerState.SHUTDOWN,
        terminated_at=run.tx.database.clock.wall(),
    )
    records.announce(run.tx, server.id, "soft_delete.end", notice_of(run))
    return Done()


def tell_failure(run: Run[SoftDeleteParams]) -> None:
    """Tell other services; the server is as it was, and the reason stands in its events."""
    records.announce(run.tx, run.params.server_id, "soft_delete.error", notice_of(run))


def accept(desk: Desk, context: Context, server_id: ServerId, *, for_good: bool = False) -> None:
    """Accept the end of a server, in whatever state it is. May be repeated: a second call finds the first one's work.

    `for_good`: at once, though deleted servers are kept for a while here.
    During another operation it is a signal that unwinds it, or that waits for its end once there is no way back.
    Raises: NotFound when the server is deleted already; Conflict, Unavailable when others begin operations on it all the time.
    """
    softly = desk.reclaim_s > 0 and not for_good
    desk.database.transact(lambda tx: _accept(desk, tx, context, server_id, softly))


def _accept(desk: Desk, tx: Tx, context: Context, server_id: ServerId, softly: bool) -> None:
    """Tell what runs on the server, or begin; what runs may end, and another begin, between any two statements here."""
    for last in (False, False, True):
        live = journal.live_operation(tx, SERVER, server_id)
        server = records.get(tx, server_id)  # after the look: what has ended since may have given it a host
        if live is not None and (live.workflow == DELETE.name or (softly and live.workflow == SOFT_DELETE.name)):
            return
        if live is None and softly and server.state is ServerState.SOFT_DELETED:
            return
        if live is not None:
            body = {"user_id": context.user_id, "request_id": context.request_id, "softly": softly}
            if journal.send_signal(tx, live.id, "delete", body):
                desk.ring_after(tx, live.id)
                return
            continue
        try:
            asked = {"user_id": context.user_id, "request_id": context.request_id, "softly": softly}
            desk.ring_after(tx, begin_asked(tx, server, asked))
            return
        except errors.Conflict:
            if last:
                raise
    raise errors.Unavailable("The server's operations change too fast; try again.")


def begin_after(run: Run[Any]) -> None:
    """Begin the delete that was asked while another operation ran: the last act of that one's last transaction."""
    asked = next(signal.body for signal in run.signals if signal.name == "delete")
    begin_asked(run.tx, records.get(run.tx, ServerId(run.subject_id)), asked)


def begin_asked(tx: Tx, server: Server, asked: Mapping[str, Any]) -> OperationId:
    """Begin the end that a signal's body asks for; softly only where there is a guest that can be restored.

    Raises: Conflict when an operation is on the server.
    """
    user_id, request_id = asked.get("user_id"), asked.get("request_id")
    if not asked.get("softly") or server.host is None or server.state in NOT_SOFTLY:
        return begin(tx, server, user_id=user_id, request_id=request_id)
    operation_id = journal.accept(
        tx,
        journal.NewOperation(
            workflow=SOFT_DELETE,
            subject_kind=SERVER,
            subject_id=server.id,
            params=SoftDeleteParams(server_id=server.id, host=server.host),
            project_id=server.project_id,
            user_id=user_id,
            request_id=request_id,
        ),
    )
    _tell_start(tx, server, "soft_delete", TaskState.SOFT_DELETING, user_id, request_id)
    return operation_id


def _tell_start(tx: Tx, server: Server, event: str, task: TaskState, user_id: str | None, request_id: str | None) -> None:
    notice = Notice(user_id=user_id, project_id=server.project_id, request_id=request_id, task=task.value)
    records.announce(tx, server.id, f"{event}.start", notice)


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
    _tell_start(tx, server, "delete", TaskState.DELETING, user_id, request_id)
    return operation_id


SOFT_DELETE = Workflow(
    name="soft_delete",
    version=1,
    params=SoftDeleteParams,
    steps=(
        # No undo: a guest that was turned off by half is told by the power-state reconciler.
        Outside("power_off", power_off, None, TaskState.SOFT_DELETING, minutes(5)),
        Record("mark_soft_deleted", mark_soft_deleted, None, TaskState.SOFT_DELETING, seconds(60)),
    ),
    priority=Priority.DELETE,
    on_failure=tell_failure,
    on_delete=begin_after,
)
