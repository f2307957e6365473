"""The journal: accepting operations, signalling them, and reading what there is and what there was.

Every function works inside the caller's transaction; nothing here is kept in memory.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from nova_lite import errors, metrics
from nova_lite.db import journal as queries
from nova_lite.db.engine import Tx
from nova_lite.durable.facts import process
from nova_lite.durable.progress import State, Tried, plain_state
from nova_lite.durable.signals import from_rows
from nova_lite.durable.workflow import CANCEL, REPORT, Priority, Signal, Workflow
from nova_lite.model import wire
from nova_lite.model.ids import HostName, OperationId

BUSY = "Another operation on this is running."
CLOSED = "This is being moved, replaced or removed."


def new_id() -> OperationId:
    """Make an operation's id."""
    return OperationId(str(uuid.uuid4()))


@dataclasses.dataclass(frozen=True)
class Subject:
    """What an operation is about: only one operation of a subject lives at a time."""

    kind: str
    id: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class NewOperation:
    """What is accepted. The engine's rules on parents are in docs/develop/engine.md, Children.

    `closes`: while it lives the subject takes no children, and it is refused while there are any. `ends` (delete): the
    same, but children are cancelled instead of being in the way, and the subject is never opened again.
    `parent`: the subject is a child of that one (an attachment of its server). `held_by`: waits until that operation
    releases it.
    """

    workflow: Workflow[Any]
    subject_kind: str
    subject_id: str
    params: object
    project_id: str | None = None
    user_id: str | None = None
    request_id: str | None = None
    id: OperationId | None = None
    held_by: OperationId | None = None
    parent: Subject | None = None
    closes: bool = False
    ends: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class OperationRow:
    """An operation as others see it. `attempt` counts from 1; times are wall clock; `outcome`: done, failed, cancelled."""

    id: OperationId
    workflow: str
    version: int
    subject_kind: str
    subject_id: str
    project_id: str | None
    user_id: str | None
    request_id: str | None
    step: str | None
    unwinding: bool
    attempt: int
    turn: int
    fence: int
    held_by: OperationId | None
    leased_by: str | None
    started_at: float
    ended_at: float | None
    outcome: str | None
    message: str | None
    hosts_tried: tuple[Tried, ...]
    away: str | None  # what does not answer at the moment
    late_s: float = 0.0  # only in `unserved` and `overdue`


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepEvent:
    """One attempt of one step that has ended: done, transient, failed, deadline, back, cancelled."""

    step: str
    unwinding: bool
    attempt: int
    started_at: float
    ended_at: float | None
    outcome: str | None
    host: str | None
    message: str | None


def accept(tx: Tx, new: NewOperation) -> OperationId:
    """Write an operation down, due at once (or held). It will run, whoever dies, once the transaction is committed.

    Raises: Conflict when the subject has a live operation, is closed, or has children that are in the way.
    """
    operation_id = new.id or new_id()
    first = _occupy(tx, new, operation_id)
    if new.parent is not None:
        _join_parent(tx, new.parent)
    if new.ends and not first:
        _cancel_children(tx, new)
    state = State(
        started_at=tx.database.clock.wall(),
        accepted_by=process(),
        parent_kind=new.parent.kind if new.parent else None,
        parent_id=new.parent.id if new.parent else None,
        reopens=new.closes and not new.ends,
    )
    row = {
        "id": operation_id,
        "workflow": new.workflow.name,
        "version": new.workflow.version,
        "subject_kind": new.subject_kind,
        "subject_id": new.subject_id,
        "pool": new.workflow.pool,
        "priority": int(new.workflow.priority),
        "project_id": new.project_id,
        "user_id": new.user_id,
        "request_id": new.request_id,
        "params": wire.to_plain(new.params),
        "results": {},
        "step": new.workflow.steps[0].name,
        "attempt": 1,
        "turn": 1,
        "held_by": new.held_by,
        "state": plain_state(state),
        "events": [],
        "started_at": tx.database.clock.wall(),
    }
    queries.insert_operation(tx, row, due=new.held_by is None, first=first)
    return operation_id


def _occupy(tx: Tx, new: NewOperation, operation_id: OperationId) -> bool:
    """Make the operation its subject's live one; True when the subject is new. The likelier statement comes first."""
    closes = new.closes or new.ends
    row = {"kind": new.subject_kind, "id": new.subject_id, "live_operation": operation_id, "closed": closes}
    if new.parent is not None:
        row |= {"parent_kind": new.parent.kind, "parent_id": new.parent.id}
    childless = new.closes and not new.ends
    if new.workflow.priority is Priority.BOOT and queries.insert_subject(tx, row):
        return True
    if queries.occupy_subject(tx, new.subject_kind, new.subject_id, operation_id, closes=closes, childless=childless):
        if new.parent is not None:
            queries.set_parent(tx, new.subject_kind, new.subject_id, (new.parent.kind, new.parent.id))
        return False
    if queries.insert_subject(tx, row):
        return True
    found = queries.subject(tx, new.subject_kind, new.subject_id)
    raise errors.Conflict(BUSY if found is None or found["live_operation"] or not found["closed"] else CLOSED)


def _join_parent(tx: Tx, parent: Subject) -> None:
    if queries.add_child(tx, parent.kind, parent.id):
        return
    queries.insert_subject(tx, {"kind": parent.kind, "id": parent.id})
    if not queries.add_child(tx, parent.kind, parent.id):
        raise errors.Conflict(CLOSED)


def _cancel_children(tx: Tx, new: NewOperation) -> None:
    for child in queries.live_children(tx, new.subject_kind, new.subject_id):
        send_signal(tx, OperationId(child), CANCEL, {})


def release(tx: Tx, parent_operation_id: OperationId) -> tuple[OperationId, ...]:
    """Let run what was accepted with `held_by`; give the ids. May be repeated: what runs already is left alone."""
    return tuple(OperationId(found) for found in queries.release_held(tx, parent_operation_id))


def send_signal(tx: Tx, operation_id: OperationId, name: str, body: Mapping[str, Any], report_id: str | None = None) -> bool:
    """Tell a running operation something; it is read at its next step border, and never slept through.

    With a `report_id` it may be repeated: each id is stored once. A `report` of a past step is dropped.
    False: the operation has ended, the caller decides anew.
    """
    row = {"name": name, "body": dict(body), "report_id": report_id, "created_at": tx.database.clock.wall()}
    place = (str(body.get("step")), bool(body.get("unwinding"))) if name == REPORT else None
    stored = queries.add_signal(tx, operation_id, row, place)
    if name == REPORT and not stored:
        metrics.REPORTS_DROPPED.inc()
    return stored is not None


def wake(tx: Tx, ids: Sequence[OperationId]) -> int:
    """Have operations look again now (a host came back, or was lost); give the number of those that live."""
    return queries.wake(tx, ids)


def signals_of(tx: Tx, operation_id: OperationId) -> tuple[Signal, ...]:
    """List an operation's signals, oldest first."""
    return from_rows(queries.select_signals(tx, [operation_id]))


def children_of(tx: Tx, kind: str, subject_id: str) -> int:
    """Count the operations on a subject's children that live."""
    found = queries.subject(tx, kind, subject_id)
    return 0 if found is None else int(found["children"])


def live_operation(tx: Tx, kind: str, subject_id: str) -> OperationRow | None:
    """Give a subject's live operation, or None."""
    row = queries.live_operation(tx, kind, subject_id)
    return None if row is None else _of_row(row)


def operation(tx: Tx, operation_id: OperationId) -> OperationRow:
    """Give an operation, living or ended. Raises: NotFound."""
    row = queries.operation(tx, operation_id)
    if row is None:
        raise errors.NotFound(f"There is no operation {operation_id}.")
    return _of_row(row)


def history(tx: Tx, kind: str, subject_id: str) -> tuple[OperationRow, ...]:
    """List a subject's operations, newest first."""
    return tuple(_of_row(row) for row in queries.history(tx, kind, subject_id))


def live(tx: Tx, limit: int = 1000) -> tuple[OperationRow, ...]:
    """List living operations, oldest first."""
    return tuple(_of_row(row) for row in queries.select_live(tx, limit))


def events(tx: Tx, operation_id: OperationId) -> tuple[StepEvent, ...]:
    """List what an operation's steps did, oldest first."""
    row = queries.operation(tx, operation_id)
    rows: list[Mapping[Any, Any]] = [*queries.select_events(tx, operation_id), *(row["events"] if row else ())]
    fields = [field.name for field in dataclasses.fields(StepEvent)]
    return tuple(StepEvent(**{name: event[name] for name in fields}) for event in rows)


def unserved(tx: Tx, late_s: float = 30.0) -> tuple[OperationRow, ...]:
    """List operations that have been due for so long and no runner took them: is a conductor running?"""
    return tuple(_of_row(row) for row in queries.unserved(tx, late_s))


def overdue(tx: Tx) -> tuple[OperationRow, ...]:
    """List operations past a deadline that go on none the less: unwinding, or after the point of no return."""
    return tuple(_of_row(row) for row in queries.overdue(tx))


def purge(tx: Tx, older_than: float) -> int:
    """Remove ended operations, their signals and events, older than that wall time.

    A few hundred operations at a time; give their number. May be repeated.
    """
    return queries.purge(tx, older_than)


def _of_row(row: queries.Row) -> OperationRow:
    state = wire.from_plain(State, row["state"])
    return OperationRow(
        id=OperationId(row["id"]),
        workflow=row["workflow"],
        version=row["version"],
        subject_kind=row["subject_kind"],
        subject_id=row["subject_id"],
        project_id=row["project_id"],
        user_id=row["user_id"],
        request_id=row["request_id"],
        step=row["step"],
        unwinding=bool(row["unwinding"]),
        attempt=row["attempt"],
        turn=row["turn"],
        fence=row["fence_base"] + row["lease_number"],
        held_by=row["held_by"] if row["wake_at"] is None and row["ended_at"] is None else None,
        leased_by=row["lease_owner"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        outcome=row["outcome"],
        message=row["message"],
        hosts_tried=tuple(Tried(host=HostName(tried.host), reason=tried.reason) for tried in state.tried),
        away=state.away,
        late_s=float(row.get("late_s", 0.0)),
    )
