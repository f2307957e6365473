"""Driving one leased operation: step after step until it waits, ends, or the lease turns out to be another's.

Everything that is recorded goes through `_store`, whose one UPDATE names the lease number, the signal sequence and the
turn that were read. When they do not fit, nothing is recorded and `_read_again` says why.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping
from typing import Any

from nova_lite import errors, metrics
from nova_lite.clock import Clock
from nova_lite.db import journal as queries
from nova_lite.db.engine import Database, Tx
from nova_lite.durable import progress as moves
from nova_lite.durable import signals as reading
from nova_lite.durable.progress import Ending, Missed, Moment, Move, Progress, State
from nova_lite.durable.run import Lease, LeasedRun
from nova_lite.durable.workflow import DELETE, Done, Kind, Signal, Step, Wait, Workflow
from nova_lite.model import wire
from nova_lite.model.ids import HostName, OperationId

LOG = logging.getLogger(__name__)
EVENTS_KEPT_IN_ROW = 20


class Stale(Exception):
    """The row is not as it was read: another lease, another turn, or a signal has come."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Means:
    """What a drive stands on; the same for all of a runner's.

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


class Drive:
    """One lease of one operation."""

    def __init__(
        self, row: queries.Row, left_s: float, workflow: Workflow[Any], signals: tuple[Signal, ...], means: Means
    ) -> None:
        """`row` is as it was before the lease, which is one number higher; `left_s` of its step's deadline."""
        self._means = means
        self._workflow = workflow
        self._signals = signals
        self._lease = _lease(row, workflow)
        self._progress = _progress(row, workflow)
        if self._lease.first:
            state = dataclasses.replace(self._progress.state, started_at=means.clock.wall())
            self._progress = dataclasses.replace(self._progress, state=state)
        self._seq = max([int(row["signal_seq"]), *(signal.seq for signal in signals)])
        self._held = True
        self.busy_since = means.clock.monotonic()  # when the last call or recording began: a hanging one is not waited for
        self._called = False
        self._in_hooks = False
        frozen = self._progress.state.frozen_left_s
        self._left_from(left_s if frozen is None else frozen)

    def go(self) -> None:
        """Run until the operation waits or ends, or the lease is lost.

        Raises: Unavailable when the database is away; what was not recorded is done again under the next lease.
        """
        self._look_for_silence()
        while self._held:
            self._one()

    def _one(self) -> None:
        """Do one thing at a step border."""
        if self._asked_to_stop():
            self._stop()
        elif self._is_overdue():
            step = self._step(self._progress)
            missed = Missed(f"The step {step.name} was not done within {step.deadline_s:.0f} s.")
            self._record(moves.after(self._progress, missed, self._moment()))
        elif self._means.must_let_go(self._lease.project_id):
            self._let_go()
        elif self._step(self._progress).kind is Kind.RECORD:
            self._run_records(None)
        else:
            self._run_outside()

    # -- steps -------------------------------------------------------------------------------------------------------

    def _run_outside(self) -> None:
        step, left_s = self._step(self._progress), self._left_s()
        run = self._run(self._progress, None, left_s)
        ending: Ending = self._means.catch(lambda: self._call(step, run))
        if isinstance(ending, errors.Unavailable | Wait):
            silence_s = self._silence_of(ending.host) if isinstance(ending, Wait) else 0.0
            moment = self._moment(run, left_s=left_s, silence_s=silence_s)
        else:
            moment = self._moment(run)
        move = moves.after(self._progress, ending, moment)
        if isinstance(ending, Done) and move.outcome is None and self._step(move.progress).kind is Kind.RECORD:
            self._run_records(move)
        else:
            self._record(move)

    def _run_records(self, first: Move | None) -> None:
        """Run the Record steps that come next inside the transaction that records them, and `first`, which led there."""
        before = self._progress
        self._in_hooks = False
        answer = self._means.catch(lambda: self._transact(lambda tx: self._follow(tx, first)))
        if isinstance(answer, Stale):
            self._read_again()
        elif isinstance(answer, Move):
            self._moved(answer)
        elif first is not None:
            self._record(first)  # what failed was behind it: that fails again by itself
        elif self._in_hooks:
            self._record(moves.retry(before, str(answer), self._moment()))
        else:
            self._record(moves.after(before, answer, self._moment()))

    def _follow(self, tx: Tx, first: Move | None) -> Move:
        self._in_hooks = False
        move = first or Move(progress=self._progress, left_s=self._left_s())
        while move.outcome is None and move.pause_s is None:
            step = self._step(move.progress)
            if step.kind is not Kind.RECORD:
                break
            left_s = step.deadline_s if move.left_s is None else move.left_s
            run = self._run(move.progress, tx, left_s)
            ending = self._call(step, run)
            move = moves.after(move.progress, ending, self._moment(run, left_s=left_s))
        self._store(tx, move)
        return move

    def _call(self, step: Step, run: LeasedRun[Any]) -> Done | Wait:
        function = step.undo if run.unwinding else step.do
        if function is None:
            return Done()
        self._called = True
        self.busy_since = self._means.clock.monotonic()
        self._means.reached("before do", step.name)
        ending = function(run) or Done()
        self._means.reached("after do", step.name)
        return ending

    # -- borders -----------------------------------------------------------------------------------------------------

    def _asked_to_stop(self) -> bool:
        if not reading.asks_to_stop(self._signals) or moves.is_committed(self._workflow, self._progress):
            return False
        return not self._progress.unwinding or self._progress.state.back_to is not None

    def _stop(self) -> None:
        begun = self._called or not self._lease.first or self._progress.turn > 1
        move = moves.interrupted(self._progress, self._moment(), begun=begun)
        if self._progress.unwinding:
            self._progress = move.progress  # recorded with the next undo
        else:
            self._record(move)

    def _is_overdue(self) -> bool:
        goes_on = self._progress.unwinding or moves.is_committed(self._workflow, self._progress)
        return not goes_on and self._left_s() <= 0

    def _look_for_silence(self) -> None:
        state = self._progress.state
        if state.waits_for is None or state.frozen_left_s is not None:
            return
        silence_s = self._silence_of(state.waits_for)
        if silence_s > 0:
            self._progress = moves.silent(self._progress, self._moment(silence_s=silence_s))
            self._left_from(self._progress.state.frozen_left_s)

    def _silence_of(self, host: HostName | None) -> float:
        if host is None:
            return 0.0
        answer = self._means.catch(lambda: self._means.silence_of(host))
        return float(answer) if isinstance(answer, int | float) else 0.0

    # -- recording ---------------------------------------------------------------------------------------------------

    def _record(self, move: Move) -> None:
        """Record a move by itself. A last hook that fails is tried again later, with the step before it."""
        answer = self._means.catch(lambda: self._transact(lambda tx: self._store(tx, move)))
        if answer is None:
            self._moved(move)
        elif isinstance(answer, Stale):
            self._read_again()
        elif isinstance(answer, errors.Unavailable) or move.outcome is None:
            raise answer
        else:
            self._record(moves.retry(self._progress, str(answer), self._moment()))

    def _transact(self, work: Callable[[Tx], Any]) -> Any:
        name = self._step(self._progress).name
        self.busy_since = self._means.clock.monotonic()
        self._means.reached("before recording", name)
        result = self._means.database.transact(work)
        self._means.reached("after recording", name)
        return result

    def _store(self, tx: Tx, move: Move) -> None:
        """Write a move, and at the end all that ends with it. Raises: Stale, and the transaction is rolled back."""
        guard = queries.Guard(self._lease.operation_id, self._lease.number, self._seq, self._progress.turn)
        values, events = self._columns(tx, move)
        keeps = move.pause_s is None and move.outcome is None
        lease_s = self._means.lease_s if keeps else None
        if not queries.record(tx, guard, values, lease_s=lease_s, wake_s=move.pause_s):
            raise Stale
        queries.insert_events(tx, [{"operation_id": self._lease.operation_id, **event} for event in events])
        if move.outcome is not None:
            self._end(tx, move)
        self._means.reached("recording", self._step(self._progress).name)

    def _columns(self, tx: Tx, move: Move) -> tuple[dict[str, Any], tuple[Mapping[str, Any], ...]]:
        """Give the columns of a move, and the events that go into the history with it."""
        progress = move.progress
        moved = progress.events if move.outcome is not None or len(progress.events) >= EVENTS_KEPT_IN_ROW else ()
        left_s: float | None = self._step(progress).deadline_s if move.left_s is None else move.left_s
        if progress.state.frozen_left_s is not None:
            left_s = None
        values = {
            "position": progress.position,
            "step": self._step(progress).name,
            "unwinding": progress.unwinding,
            "attempt": progress.attempt,
            "turn": progress.turn,
            "priority": moves.priority(self._workflow, progress),
            "results": progress.results,
            "state": moves.plain_state(progress.state),
            "events": [] if moved else progress.events,
            "deadline_at": queries.in_seconds(tx, left_s),
        }
        if move.outcome is not None:
            failure = progress.state.failure
            values |= {
                "ended_at": self._means.clock.wall(),
                "outcome": move.outcome,
                "message": failure.message if failure and move.outcome == moves.FAILED else None,
                "wake_at": None,
                "deadline_at": None,
                "params": _without_secrets(self._lease.params),
            }
        return values, moved

    def _end(self, tx: Tx, move: Move) -> None:
        """Free the subject, then run the hooks: the last one may accept the subject's next operation."""
        lease, state = self._lease, move.progress.state
        queries.vacate_subject(tx, lease.subject_kind, lease.subject_id, fence=lease.fence, reopen=state.reopens)
        if state.parent_kind is not None and state.parent_id is not None:
            _leave_parent(tx, state.parent_kind, state.parent_id)
        hooks = {
            moves.DONE: self._workflow.on_success,
            moves.FAILED: self._workflow.on_failure,
            moves.CANCELLED: self._workflow.on_cancel,
        }
        asked = reading.asks(self._signals, DELETE)
        self._in_hooks = True
        for hook in (hooks[move.outcome or moves.DONE], self._workflow.on_delete if asked else None):
            if hook is not None:
                hook(self._run(move.progress, tx, 0.0))
        if asked or state.parent_id is not None:
            tx.after_commit(lambda: self._means.ring(lease.operation_id))

    def _moved(self, move: Move) -> None:
        """Take over what was recorded."""
        progress = move.progress
        if len(progress.events) >= EVENTS_KEPT_IN_ROW:
            progress = dataclasses.replace(progress, events=())
        self._progress = progress
        self._held = move.pause_s is None and move.outcome is None
        frozen = progress.state.frozen_left_s
        left_s = self._step(progress).deadline_s if move.left_s is None else move.left_s
        self._left_from(left_s if frozen is None else frozen)
        if move.outcome is not None:
            metrics.OPERATIONS_ENDED.labels(self._workflow.name, move.outcome).inc()
            LOG.info("An operation has ended.", extra=self._words(outcome=move.outcome))

    def _let_go(self) -> None:
        """Give the lease back at a border, due at once."""
        guard = queries.Guard(self._lease.operation_id, self._lease.number, self._seq, self._progress.turn)
        recorded = self._means.database.transact(lambda tx: queries.record(tx, guard, {}, lease_s=None, wake_s=0.0))
        if recorded:
            self._held = False
        else:
            self._read_again()

    def _read_again(self) -> None:
        """Find out why nothing was recorded: a signal is read and the drive goes on, anything else ends it.

        The turn differs when an earlier recording was committed though its answer was lost: the row is read anew then.
        """
        with self._means.database.read() as tx:
            row = queries.standing(tx, self._lease.operation_id)
            signals = queries.select_signals(tx, [self._lease.operation_id])
        if row is None or row["ended_at"] is not None or row["lease_number"] != self._lease.number:
            metrics.LEASES_LOST.inc()
            LOG.warning("A lease was lost: nothing is recorded.", extra=self._words())
            self._held = False
        elif row["turn"] != self._progress.turn or row["signal_seq"] == self._seq:
            number = self._lease.number
            self._means.database.transact(lambda tx: queries.drop_lease(tx, self._lease.operation_id, number))
            self._held = False
        else:
            self._seq = int(row["signal_seq"])
            self._signals = reading.from_rows(signals)

    # -- small things ------------------------------------------------------------------------------------------------

    def _step(self, progress: Progress) -> Step:
        return moves.step_of(self._workflow, progress)

    def _run(self, progress: Progress, tx: Tx | None, left_s: float) -> LeasedRun[Any]:
        run: LeasedRun[Any] = LeasedRun(self._lease, progress, self._signals, self._means.ports, self._means.ring)
        return run.within(tx, left_s)

    def _moment(self, run: LeasedRun[Any] | None = None, *, left_s: float | None = None, silence_s: float = 0.0) -> Moment:
        return Moment(
            workflow=self._workflow,
            wall=self._means.clock.wall(),
            left_s=self._left_s() if left_s is None else left_s,
            silence_s=silence_s,
            notes=run.notes if run is not None else (),
            host=run.host if run is not None else None,
        )

    def _left_from(self, left_s: float | None) -> None:
        self._deadline = self._means.clock.monotonic() + (left_s or 0.0)

    def _left_s(self) -> float:
        frozen = self._progress.state.frozen_left_s
        return self._deadline - self._means.clock.monotonic() if frozen is None else frozen

    def _words(self, **more: object) -> dict[str, object]:
        return {
            "operation_id": self._lease.operation_id,
            "request_id": self._lease.request_id,
            "workflow": self._workflow.name,
            "step": self._step(self._progress).name,
            "subject_id": self._lease.subject_id,
            **more,
        }


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


def _lease(row: queries.Row, workflow: Workflow[Any]) -> Lease:
    number = int(row["lease_number"]) + 1
    return Lease(
        operation_id=OperationId(row["id"]),
        workflow=workflow,
        subject_kind=row["subject_kind"],
        subject_id=row["subject_id"],
        project_id=row["project_id"] or "",
        user_id=row["user_id"] or "",
        request_id=row["request_id"] or "",
        params=wire.from_plain(workflow.params, row["params"]),
        number=number,
        fence=int(row["fence_base"]) + number,
        first=number == 1,
    )


def _progress(row: queries.Row, workflow: Workflow[Any]) -> Progress:
    return Progress(
        position=workflow.index(row["step"]),
        unwinding=bool(row["unwinding"]),
        attempt=int(row["attempt"]),
        turn=int(row["turn"]),
        results=row["results"],
        state=wire.from_plain(State, row["state"]),
        events=tuple(row["events"]),
    )
