"""Driving one leased operation: step after step until it waits, ends, or the lease turns out to be another's.

Everything is recorded by `durable.recording`, whose one UPDATE names the lease number, the signal sequence and the turn
that were read. When they do not fit, nothing is recorded and `_read_again` says why.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from typing import Any

from nova_lite import errors, metrics
from nova_lite.clock import Clock
from nova_lite.db import journal as queries
from nova_lite.db.engine import Tx
from nova_lite.durable import facts
from nova_lite.durable import progress as moves
from nova_lite.durable import signals as reading
from nova_lite.durable.progress import Ending, Missed, Moment, Move, Progress, State
from nova_lite.durable.recording import EVENTS_KEPT_IN_ROW, Means, Recorder, Stale
from nova_lite.durable.run import Lease, LeasedRun
from nova_lite.durable.workflow import Done, Kind, Signal, Step, Wait, Workflow
from nova_lite.model import wire
from nova_lite.model.ids import HostName, OperationId

LOG = logging.getLogger(__name__)
LATE_S = 10.0  # waiting longer for a runner belongs to the story


class Countdown:
    """The time left of a step's deadline. It stands still while `frozen_left_s` says what was left."""

    def __init__(self, clock: Clock) -> None:
        """`clock` only compares with itself."""
        self._clock = clock
        self._end = 0.0

    def begin(self, left_s: float, progress: Progress) -> None:
        """Count down from here."""
        frozen_s = progress.state.frozen_left_s
        self._end = self._clock.monotonic() + (left_s if frozen_s is None else frozen_s)

    def left_s(self, progress: Progress) -> float:
        """Give the seconds that are left."""
        frozen_s = progress.state.frozen_left_s
        return self._end - self._clock.monotonic() if frozen_s is None else frozen_s


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
        self._progress = _taken_up(_progress(row, workflow), row, means)
        self._seq = max([int(row["signal_seq"]), *(signal.seq for signal in signals)])
        self._held = True
        self.busy_since = means.clock.monotonic()  # when the last call or recording began: a hanging one is not waited for
        self._called = False
        self._unsaid: tuple[tuple[HostName, str], ...] = ()  # commands that were sent and are not recorded yet
        self._followed = 0  # Record steps begun in the transaction in hand
        self._recorder = Recorder(self._lease, means)
        self._countdown = Countdown(means.clock)
        self._countdown.begin(left_s, self._progress)

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
            step = moves.step_of(self._workflow, self._progress)
            missed = Missed(f"The step {step.name} was not done within {step.deadline_s:.0f} s.")
            self._record(moves.after(self._progress, missed, self._moment()))
        elif self._means.must_let_go(self._lease.project_id):
            self._let_go()
        elif moves.step_of(self._workflow, self._progress).kind is Kind.RECORD:
            self._run_records(None)
        else:
            self._run_outside()

    # -- steps -------------------------------------------------------------------------------------------------------

    def _run_outside(self) -> None:
        step, left_s = moves.step_of(self._workflow, self._progress), self._countdown.left_s(self._progress)
        run = self._run(self._progress, None, left_s)
        ending: Ending = self._means.catch(lambda: self._call(step, run))
        run.commands = self._unsaid = (*self._unsaid, *run.commands)
        if isinstance(ending, errors.Unavailable | Wait):
            silence_s = _silence_of(self._means, ending.host) if isinstance(ending, Wait) else 0.0
            moment = self._moment(run, left_s=left_s, silence_s=silence_s)
        else:
            moment = self._moment(run)
        move = moves.after(self._progress, ending, moment)
        if (
            isinstance(ending, Done)
            and move.outcome is None
            and moves.step_of(self._workflow, move.progress).kind is Kind.RECORD
        ):
            self._run_records(move)
        else:
            self._record(move)

    def _run_records(self, first: Move | None, *, alone: bool = False) -> None:
        """Run the Record steps that come next inside the transaction that records them, and `first`, which led there.

        `alone` runs just one: an ending must count for the step that it was raised by, never for one before it.
        """
        before = self._progress
        self._recorder.in_hooks = False
        answer = self._means.catch(lambda: self._transact(lambda tx: self._follow(tx, first, alone=alone)))
        if isinstance(answer, Stale):
            self._read_again()
        elif isinstance(answer, Move):
            self._moved(answer)
        elif first is not None:
            self._record(first)  # what failed was behind it: that fails again by itself
        elif self._followed > 1:
            self._run_records(None, alone=True)  # likewise
        elif self._recorder.in_hooks:
            self._record(moves.retry(before, str(answer), self._moment()))
        else:
            self._record(moves.after(before, answer, self._moment()))

    def _follow(self, tx: Tx, first: Move | None, *, alone: bool) -> Move:
        self._recorder.in_hooks = False
        self._followed = 0
        move = first or Move(progress=self._progress, left_s=self._countdown.left_s(self._progress))
        while move.outcome is None and move.pause_s is None:
            step = moves.step_of(self._workflow, move.progress)
            if step.kind is not Kind.RECORD or (alone and self._followed):
                break
            self._followed += 1
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
        return not goes_on and self._countdown.left_s(self._progress) <= 0

    def _look_for_silence(self) -> None:
        state = self._progress.state
        if state.waits_for is None or state.frozen_left_s is not None:
            return
        silence_s = _silence_of(self._means, state.waits_for)
        if silence_s > 0:
            self._progress = moves.silent(self._progress, self._moment(silence_s=silence_s))
            self._countdown.begin(0.0, self._progress)

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
        name = moves.step_of(self._workflow, self._progress).name
        self.busy_since = self._means.clock.monotonic()
        self._means.reached("before recording", name)
        result = self._means.database.transact(work)
        self._means.reached("after recording", name)
        return result

    def _moved(self, move: Move) -> None:
        """Take over what was recorded."""
        progress = move.progress
        if len(progress.events) >= EVENTS_KEPT_IN_ROW:
            progress = dataclasses.replace(progress, events=())
        self._progress = progress
        self._unsaid = ()
        self._held = move.pause_s is None and move.outcome is None
        self._countdown.begin(
            moves.step_of(self._workflow, progress).deadline_s if move.left_s is None else move.left_s, progress
        )
        if move.outcome is not None:
            metrics.OPERATIONS_ENDED.labels(self._workflow.name, move.outcome).inc()
            LOG.info(
                "An operation has ended.",
                extra=_words(self._lease, step=moves.step_of(self._workflow, progress).name, outcome=move.outcome),
            )

    def _let_go(self) -> None:
        """Give the lease back at a border, due at once."""
        guard, times = self._guard(), queries.Times(lease_s=None, wake_s=0.0)
        recorded = self._means.database.transact(lambda tx: queries.record(tx, guard, {}, times))
        if recorded:
            self._held = False
        else:
            self._read_again()

    def _store(self, tx: Tx, move: Move) -> None:
        self._recorder.store(tx, self._guard(), move, self._signals)
        self._means.reached("recording", moves.step_of(self._workflow, self._progress).name)

    def _guard(self) -> queries.Guard:
        return queries.Guard(self._lease.operation_id, self._lease.number, self._seq, self._progress.turn)

    def _read_again(self) -> None:
        """Find out why nothing was recorded: a signal is read and the drive goes on, anything else ends it.

        The turn differs when an earlier recording was committed though its answer was lost: the row is read anew then.
        """
        with self._means.database.read() as tx:
            row = queries.standing(tx, self._lease.operation_id)
            signals = queries.select_signals(tx, [self._lease.operation_id])
        if row is None or row["ended_at"] is not None or row["lease_number"] != self._lease.number:
            metrics.LEASES_LOST.inc()
            LOG.warning("A lease was lost: nothing is recorded.", extra=_words(self._lease))
            self._held = False
        elif row["turn"] != self._progress.turn or row["signal_seq"] == self._seq:
            number = self._lease.number
            self._means.database.transact(lambda tx: queries.drop_lease(tx, self._lease.operation_id, number))
            self._held = False
        else:
            self._seq = int(row["signal_seq"])
            self._signals = reading.from_rows(signals)

    # -- small things ------------------------------------------------------------------------------------------------

    def _run(self, progress: Progress, tx: Tx | None, left_s: float) -> LeasedRun[Any]:
        run: LeasedRun[Any] = LeasedRun(self._lease, progress, self._signals, self._means.ports, self._means.ring)
        return run.within(tx, left_s)

    def _moment(self, run: LeasedRun[Any] | None = None, *, left_s: float | None = None, silence_s: float = 0.0) -> Moment:
        return Moment(
            workflow=self._workflow,
            wall=self._means.clock.wall(),
            left_s=self._countdown.left_s(self._progress) if left_s is None else left_s,
            silence_s=silence_s,
            notes=run.notes if run is not None else (),
            host=run.host if run is not None else None,
            sent=run.commands if run is not None else self._unsaid,
            why=run.why if run is not None else None,
        )


def _silence_of(means: Means, host: HostName | None) -> float:
    """Ask how long a host has been silent; who cannot tell now says nothing."""
    answer = 0.0 if host is None else means.catch(lambda: means.silence_of(host))
    return float(answer) if isinstance(answer, int | float) else 0.0


def _words(lease: Lease, **more: object) -> dict[str, object]:
    """Say in a log line what it is about."""
    named = {"operation_id": lease.operation_id, "request_id": lease.request_id, "subject_id": lease.subject_id}
    return {**named, "workflow": lease.workflow.name, **more}


def _taken_up(progress: Progress, row: queries.Row, means: Means) -> Progress:
    """Note who takes the operation up, and from whom when that one never gave it back."""
    wall, lease = means.clock.wall(), {"owner": means.owner, "number": int(row["lease_number"]) + 1}
    if row["lease_owner"] is not None:
        lease["lapsed"] = row["lease_owner"]
    if row["wake_at"] is not None and (late_s := row["now"] - max(row["wake_at"], row["lease_until"] or 0.0)) > LATE_S:
        lease["late_s"] = round(late_s, 1)
    changes: dict[str, Any] = {"facts": facts.with_lease(progress.state.facts, lease, wall)}
    if lease["number"] == 1:
        changes["started_at"] = wall
    return dataclasses.replace(progress, state=dataclasses.replace(progress.state, **changes))


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
