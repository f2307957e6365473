"""Writing an operation's move down: the one UPDATE with its guard, events, and all that ends with an operation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from nova_lite.clock import Clock
from nova_lite.db import journal as queries
from nova_lite.db.engine import Database, Tx
from nova_lite.durable import progress as moves
from nova_lite.durable import signals as reading
from nova_lite.durable.progress import Move, step_of
from nova_lite.durable.run import Lease, LeasedRun
from nova_lite.durable.workflow import DELETE, Signal
from nova_lite.model import wire
from nova_lite.model.ids import HostName, OperationId

EVENTS_KEPT_IN_ROW = 20


class Stale(Exception):
    """The row is not as it was read: another lease, another turn, or a signal has come."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Means:
    """What drives stand on; the same for all of a runner's.

    `catch` calls foreign code and gives what it returned, or the ending that its exception means. `silence_of` gives the
    seconds since the last contact with a host whose heartbeat is overdue, else 0. `reached` is told where the drive is
    (tests stop the world there). `must_let_go` of a project: the slot is needed elsewhere.
    """

    database: Database
    clock: Clock
    ports: Any
    lease_s: float
    catch: Callable[[Callable[[], Any]], Any]
    ring: Callable[[OperationId], None]
    silence_of: Callable[[HostName], float]
    reached: Callable[[str, str], None]
    must_let_go: Callable[[str], bool]
    owner: str = ""


class Recorder:
    """Writes the moves of one leased operation. `in_hooks`: the last transaction had come to the workflow's hooks."""

    def __init__(self, lease: Lease, means: Means) -> None:
        """Keeps nothing of the operation's place."""
        self._lease = lease
        self._means = means
        self.in_hooks = False

    def store(self, tx: Tx, guard: queries.Guard, move: Move, signals: tuple[Signal, ...]) -> None:
        """Write a move, and at the end all that ends with it. Raises: Stale, and the transaction is rolled back."""
        values, events = self._columns(move)
        keeps = move.pause_s is None and move.outcome is None
        lease_s = self._means.lease_s if keeps else None
        times = queries.Times(lease_s=lease_s, wake_s=move.pause_s, deadline_s=self._deadline_s(move))
        if not queries.record(tx, guard, values, times):
            raise Stale
        queries.insert_events(tx, [{"operation_id": self._lease.operation_id, **event} for event in events])
        if move.outcome is not None:
            self._end(tx, move, signals)

    def _deadline_s(self, move: Move) -> float | None:
        """Give the time left to the step that comes; None where it is not counted, or nothing comes."""
        if move.outcome is not None or move.progress.state.frozen_left_s is not None:
            return None
        return step_of(self._lease.workflow, move.progress).deadline_s if move.left_s is None else move.left_s

    def _columns(self, move: Move) -> tuple[dict[str, Any], tuple[Mapping[str, Any], ...]]:
        """Give the columns of a move, and the events that go into the history with it."""
        progress, workflow = move.progress, self._lease.workflow
        moved = progress.events if move.outcome is not None or len(progress.events) >= EVENTS_KEPT_IN_ROW else ()
        values = {
            "position": progress.position,
            "step": step_of(workflow, progress).name,
            "unwinding": progress.unwinding,
            "attempt": progress.attempt,
            "turn": progress.turn,
            "priority": moves.priority(workflow, progress),
            "results": progress.results,
            "state": moves.plain_state(progress.state),
            "events": [] if moved else progress.events,
            "deadline_at": None,  # unless there is a time, see `_deadline_s`
        }
        if move.outcome is not None:
            failure = progress.state.failure
            values |= {
                "ended_at": self._means.clock.wall(),
                "outcome": move.outcome,
                "message": failure.message if failure and move.outcome == moves.FAILED else None,
                "wake_at": None,
                "params": _without_secrets(self._lease.params),
            }
        return values, moved

    def _end(self, tx: Tx, move: Move, signals: tuple[Signal, ...]) -> None:
        """Free the subject, then run the hooks: the last one may accept the subject's next operation."""
        lease, state, workflow = self._lease, move.progress.state, self._lease.workflow
        queries.vacate_subject(tx, lease.subject_kind, lease.subject_id, fence=lease.fence, reopen=state.reopens)
        if state.parent_kind is not None and state.parent_id is not None:
            _leave_parent(tx, state.parent_kind, state.parent_id)
        hooks = {moves.DONE: workflow.on_success, moves.FAILED: workflow.on_failure, moves.CANCELLED: workflow.on_cancel}
        asked = reading.asks(signals, DELETE)
        self.in_hooks = True
        for hook in (hooks[move.outcome or moves.DONE], workflow.on_delete if asked else None):
            if hook is not None:
                run: LeasedRun[Any] = LeasedRun(lease, move.progress, signals, self._means.ports, self._means.ring)
                hook(run.within(tx, 0.0))
        if asked or state.parent_id is not None:
            tx.after_commit(lambda: self._means.ring(lease.operation_id))


def _without_secrets(params: Any) -> Any:
    """Give the plain form that the history keeps: fields with the metadata `secret` are emptied."""
    secret = {field.name: None for field in dataclasses.fields(params) if field.metadata.get("secret")}
    return wire.to_plain(dataclasses.replace(params, **secret))


def _leave_parent(tx: Tx, kind: str, subject_id: str) -> None:
    """Count one child less, and wake the parent's own operation, which may wait for the last one."""
    queries.drop_child(tx, kind, subject_id)
    parent = queries.subject(tx, kind, subject_id)
    if parent is not None and parent["live_operation"] is not None:
        queries.wake(tx, [parent["live_operation"]])
