"""Plays a workflow to its end under a simulated clock, and lets a test break in wherever the engine comes to a border.

A `Scenario` says how a workflow is set up and how its ends look; `Rig` plays it: it takes turns between a runner in the
test's own thread, the hosts' side (`fake_hosts`), and moving the clock to when something is due next.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa
from workflows.fake_hosts import Command, FakeHosts

from nova_lite.clock import SimulatedClock
from nova_lite.db import schema
from nova_lite.db.engine import Database
from nova_lite.db.tables.journal import operations
from nova_lite.durable import journal
from nova_lite.durable.journal import OperationRow
from nova_lite.durable.runner import Runner, RunnerOptions
from nova_lite.durable.workflow import Done, Kind, Registry, Step, Wait, Workflow
from nova_lite.model import wire
from nova_lite.model.ids import HostName, OperationId
from nova_lite.rpc.conductor import Report

ROUNDS = 3000
LEASE_S = 20.0


class Crash(BaseException):
    """The process is gone at this point."""


class Stage(Protocol):
    """One set-up of a workflow: its own subject, world and database rows.

    `workflow` is the one under test, `others` are what it starts at its end. The checks assert: `check_success` after
    it was done, `check_clean` after it failed or was cancelled (a clean slate), `check_deleted` after its subject's end.
    """

    workflow: Workflow[Any]
    others: tuple[Workflow[Any], ...]
    ports: Any
    hosts: FakeHosts

    def begin(self) -> OperationId: ...

    def check_success(self) -> None: ...

    def check_clean(self) -> None: ...

    def check_deleted(self) -> None: ...


class Scenario(Protocol):
    """How to set a workflow up; called for every test anew. `workflow` is only read."""

    name: str
    workflow: Workflow[Any]

    def build(self, database: Database) -> Stage: ...


def make_database(folder: Path) -> Database:
    """Make an SQLite database with all tables, quick and not durable."""
    database = Database(f"sqlite:///{folder}/test.db", SimulatedClock(boot="boot-1"))
    sa.event.listen(database.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
    schema.create_all(database)
    return database


class KeptDatabase:
    """One database for many tests, empty for each: a new one would have to compile every statement again."""

    def __init__(self, folder: Path) -> None:
        self._database = make_database(folder)
        with self._database.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.commit()
        self._database.dispose()
        self._file, self._empty = folder / "test.db", folder / "empty.db"
        shutil.copy(self._file, self._empty)

    def empty(self) -> Database:
        """Give it as it was made, at the beginning of time."""
        self._database.dispose()
        for rest in ("-wal", "-shm"):
            Path(f"{self._file}{rest}").unlink(missing_ok=True)
        shutil.copy(self._empty, self._file)
        self._database.clock = SimulatedClock(boot="boot-1")
        return self._database


class Rig:
    """A workflow on its stage, a runner, and what the test does at the engine's borders."""

    def __init__(
        self,
        stage: Stage,
        database: Database,
        *,
        alter: Callable[[Workflow[Any]], Workflow[Any]] | None = None,
        lease_s: float = LEASE_S,
    ) -> None:
        """`alter` makes the workflow that is run: with steps that fail, are called twice..."""
        self.stage = stage
        self.database = database
        self.lease_s = lease_s
        self.workflow = alter(stage.workflow) if alter else stage.workflow
        self.registry = Registry((self.workflow, *(other for other in stage.others if other.name != self.workflow.name)))
        self.on_point: Callable[[str, str], None] = lambda _point, _step: None
        self.on_command: Callable[[Command], None] = self.deliver
        self.silence: dict[HostName, float] = {}
        self.points: list[tuple[str, str]] = []
        self.reports: list[Report] = []
        self._delivered = 0
        self.runner = self.new_runner()
        self.operation_id = stage.begin()

    @property
    def clock(self) -> SimulatedClock:
        clock = self.database.clock
        assert isinstance(clock, SimulatedClock)
        return clock

    def new_runner(self) -> Runner:
        """Make a runner as a new process would."""
        return Runner(
            self.database,
            self.registry,
            self.stage.ports,
            RunnerOptions(lease_s=self.lease_s),
            silence_of=lambda host: self.silence.get(host, 0.0),
            reached=self._reached,
        )

    def _reached(self, point: str, step: str) -> None:
        self.points.append((point, step))
        self.on_point(point, step)

    # -- playing -----------------------------------------------------------------------------------------------------

    def play(self) -> OperationRow:
        """Go on until no operation lives; give the one under test."""
        for _ in range(ROUNDS):
            moved = self.run_once()
            moved = self.deliver_new() or moved
            if not self.live():
                return self.operation()
            if not moved:
                self.skip_to_next()
        raise AssertionError(f"never ends: {self.live()}")

    def run_once(self) -> bool:
        """Let the runner do what is due; a crash makes a new one."""
        try:
            return self.runner.run_once() > 0
        except Crash:
            self.runner = self.new_runner()
            return True

    def deliver_new(self) -> bool:
        """Let the commands arrive that were sent since."""
        new = self.stage.hosts.sent[self._delivered :]
        self._delivered += len(new)
        for command in new:
            self.on_command(command)
        return bool(new)

    def deliver(self, command: Command) -> None:
        """Let a command arrive, and the host's report with it."""
        report = self.stage.hosts.deliver(command)
        if report is not None:
            self.report(report)

    def report(self, report: Report) -> bool:
        """Take a report as the conductor does."""
        self.reports.append(report)
        return self.signal("report", wire.to_plain(report), report_id=report.id, operation_id=report.operation_id)

    def signal(
        self,
        name: str,
        body: dict[str, Any] | None = None,
        *,
        report_id: str | None = None,
        operation_id: OperationId | None = None,
    ) -> bool:
        """Send a signal, by default to the operation under test."""
        to = operation_id or self.operation_id
        return self.database.transact(lambda tx: journal.send_signal(tx, to, name, body or {}, report_id=report_id))

    def skip_to_next(self) -> None:
        """Move the clock to when something is due."""
        due = sa.func.max(operations.c.wake_at, sa.func.coalesce(operations.c.lease_until, operations.c.wake_at))
        if self.database.dialect != "sqlite":
            due = sa.func.greatest(operations.c.wake_at, sa.func.coalesce(operations.c.lease_until, operations.c.wake_at))
        with self.database.read() as tx:
            nearest = tx.execute(sa.select(sa.func.min(due)).where(operations.c.ended_at.is_(None))).scalar_one()
        assert nearest is not None, "all that lives is held"
        self.clock.now = max(self.clock.now, float(nearest)) + 0.001

    def reboot(self) -> None:
        """Lose everything but the database; the machine's time begins anew."""
        self.clock.boot += "'"
        self.clock.now = 50.0
        self.runner = self.new_runner()

    # -- looking -----------------------------------------------------------------------------------------------------

    def operation(self) -> OperationRow:
        with self.database.read() as tx:
            return journal.operation(tx, self.operation_id)

    def events(self) -> tuple[journal.StepEvent, ...]:
        with self.database.read() as tx:
            return journal.events(tx, self.operation_id)

    def live(self) -> tuple[OperationRow, ...]:
        with self.database.read() as tx:
            return journal.live(tx)

    def row(self) -> dict[str, Any]:
        """Give the whole row, to see that nothing changed."""
        with self.database.read() as tx:
            found = tx.execute(sa.select(operations).where(operations.c.id == self.operation_id)).mappings().one()
        return dict(found)

    def is_committed(self) -> bool:
        """Whether the row says that there is no way back."""
        row = self.operation()
        position = self.workflow.index(row.step or "")
        return not row.unwinding and any(step.commits for step in self.workflow.steps[: position + 1])

    def check_end(self, row: OperationRow) -> None:
        """Check the world against how the operation ended."""
        if self.live_deleted():
            self.stage.check_deleted()
        elif row.outcome == "done":
            self.stage.check_success()
        else:
            self.stage.check_clean()

    def live_deleted(self) -> bool:
        """Whether the subject's end was begun by the operation's."""
        row = self.operation()
        with self.database.read() as tx:
            return len(journal.history(tx, row.subject_kind, row.subject_id)) > self._older()

    def _older(self) -> int:
        return getattr(self.stage, "older_operations", 0) + 1


# -- altered workflows ---------------------------------------------------------------------------------------------------


def change_step(workflow: Workflow[Any], name: str, change: Callable[[Step], Step]) -> Workflow[Any]:
    """Make a workflow with one step changed."""
    return dataclasses.replace(workflow, steps=tuple(change(step) if step.name == name else step for step in workflow.steps))


def doubled(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Make a step function that is called twice each time."""

    def twice(run: Any) -> Any:
        first = function(run)
        return first if isinstance(first, Wait) else function(run)

    return twice


def all_doubled(workflow: Workflow[Any]) -> Workflow[Any]:
    """Call every Outside step and undo twice each time."""
    steps = (
        dataclasses.replace(step, do=doubled(step.do), undo=doubled(step.undo) if step.undo else None)
        if step.kind is Kind.OUTSIDE
        else step
        for step in workflow.steps
    )
    return dataclasses.replace(workflow, steps=tuple(steps))


def failing(error: Callable[[], Exception], *, after: bool = False, times: int = 10**9) -> Callable[[Step], Step]:
    """Make a step's `do` fail so often, before it did anything or after it did all."""
    left = [times]

    def change(step: Step) -> Step:
        def do(run: Any) -> Any:
            ending = step.do(run) if after or left[0] <= 0 else None
            if left[0] > 0 and not isinstance(ending, Wait):
                left[0] -= 1
                raise error()
            return ending or Done()

        return dataclasses.replace(step, do=do)

    return change
