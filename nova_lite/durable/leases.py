"""A runner's leases: taking what is due, keeping what is driven, letting the rest run out; and the engine's upkeep."""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
import socket
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from nova_lite.clock import Clock
from nova_lite.db import journal as queries
from nova_lite.db.engine import Database, Tx
from nova_lite.durable import signals as reading
from nova_lite.durable.drive import Drive
from nova_lite.durable.workflow import Registry, Signal, Workflow

LOG = logging.getLogger(__name__)
LATE_S = 10.0  # an operation that nobody served for longer than this has that time added to its deadline
TIDY_S = 60.0  # between looks for what a parent forgot to release

Row = queries.Row


def _owner() -> str:
    return f"{socket.gethostname()[:80]}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunnerOptions:
    """How a runner works. Times are seconds. A call that runs for `call_limit_s` loses its lease: others go on without it."""

    slots: int = 16
    pools: tuple[str, ...] = ("control",)
    lease_s: float = 20.0
    renew_s: float = 5.0
    poll_s: float = 1.0
    call_limit_s: float = 120.0
    owner: str = dataclasses.field(default_factory=_owner)


@dataclasses.dataclass(eq=False)
class Taken:
    """A leased row as it was read (its lease number is one higher now), and its drive once it runs."""

    row: Row
    left_s: float
    workflow: Workflow[Any]
    signals: tuple[Signal, ...]
    drive: Drive | None = None


def project_of(row: Row) -> str:
    """Give whose turn a row uses up; what belongs to no project is nobody's together."""
    return str(row["project_id"] or "")


class Leases:
    """What a runner holds."""

    def __init__(self, database: Database, registry: Registry, options: RunnerOptions, clock: Clock) -> None:
        """Holds nothing yet."""
        self._database = database
        self._options = options
        self._clock = clock
        self._workflows = {(workflow.name, workflow.version): workflow for workflow in registry.all()}
        self._steps = {key: {step.name for step in workflow.steps} for key, workflow in self._workflows.items()}
        self._lessee = queries.Lessee(
            owner=options.owner, pools=options.pools, known=tuple(self._workflows), lease_s=options.lease_s
        )
        self._lock = threading.Lock()
        self._held: set[Taken] = set()
        self.saw_all = False  # whether the last `take` read, and took, everything that was due

    def any_due(self) -> bool:
        """Whether anything waits for a runner."""
        with self._database.read() as tx:
            return queries.any_due(tx, self._lessee)

    def waiting(self) -> set[str]:
        """List the projects whose operations wait for a runner."""
        with self._database.read() as tx:
            return {project or "" for project in queries.waiting_projects(tx, self._lessee)}

    def take(self, choose: Callable[[Sequence[Row]], Sequence[Row]]) -> list[Taken]:
        """Lease what is due and `choose` lets through."""
        seen = [0]

        def work(tx: Tx) -> tuple[list[Row], Sequence[Row]]:
            def chosen(found: Sequence[Row]) -> list[tuple[Row, float | None]]:
                seen.append(len(found))
                return [(row, self._deadline(row)) for row in choose([row for row in found if self._is_sound(row)])]

            rows = queries.take_due(tx, self._lessee, chosen)
            self.saw_all = seen[-1] < queries.TAKEN_AT_ONCE and len(rows) == seen[-1]
            return rows, queries.select_signals(tx, [row["id"] for row in rows if row["signal_seq"] > 0])

        rows, signals = self._database.transact(work)
        found = []
        for row in rows:
            deadline = self._deadline(row)
            left_s = 0.0 if deadline is None else deadline - row["now"]
            own = [signal for signal in signals if signal["operation_id"] == row["id"]]
            found.append(Taken(row, left_s, self._workflow(row), reading.from_rows(own)))
        with self._lock:
            self._held.update(found)
        return found

    def forget(self, taken: Taken) -> None:
        """Stop keeping a lease: it was given back, or runs out."""
        with self._lock:
            self._held.discard(taken)

    def renew(self) -> None:
        """Prolong the leases of all that is driven here, in one statement; not of calls that hang."""
        oldest = self._clock.monotonic() - self._options.call_limit_s
        with self._lock:
            ids = [taken.row["id"] for taken in self._held if taken.drive is None or taken.drive.busy_since > oldest]
            hanging = len(self._held) - len(ids)
        if hanging:
            LOG.error("Calls of steps hang; their leases are not renewed.", extra={"calls": hanging})
        if ids:
            options = self._options
            self._database.transact(lambda tx: queries.renew_leases(tx, options.owner, ids, options.lease_s))

    def counts(self) -> Counter[str]:
        """Count what is held by project."""
        with self._lock:
            return Counter(project_of(taken.row) for taken in self._held)

    def free(self) -> int:
        """Count the slots in which nothing runs."""
        with self._lock:
            return self._options.slots - len(self._held)

    def _workflow(self, row: Row) -> Workflow[Any]:
        return self._workflows[row["workflow"], row["version"]]

    def _deadline(self, row: Row) -> float | None:
        """Give the deadline to lease a row with: time without any runner is not counted; None while it stands still."""
        if row["state"].get("frozen_left_s") is not None:
            return None
        if row["deadline_at"] is None:
            workflow = self._workflow(row)
            return float(row["now"]) + workflow.steps[workflow.index(row["step"])].deadline_s
        late_s = row["now"] - max(row["wake_at"], row["lease_until"] or row["wake_at"])
        return float(row["deadline_at"] + (late_s if late_s > LATE_S else 0.0))

    def _is_sound(self, row: Row) -> bool:
        """Whether this release knows the row's step; one that does not belong here is left for others."""
        if row["step"] in self._steps[row["workflow"], row["version"]]:
            return True
        LOG.error("An operation stands at a step that this release does not know.", extra={"operation_id": row["id"]})
        return False


class Upkeep:
    """What some runner must do now and then, whichever."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Nothing has been looked at yet."""
        self._database = database
        self._clock = clock
        self._boot: str | None = None
        self._tidied_at: float | None = None

    def look(self) -> None:
        """Do what is due. May be repeated at will."""
        boot = queries.boot_id(self._database)
        if boot != self._boot:
            self._adopt_boot()
            self._boot = boot
        now = self._clock.monotonic()
        if self._tidied_at is None or now - self._tidied_at >= TIDY_S:
            self._tidied_at = now
            self._release_forgotten()

    def _adopt_boot(self) -> None:
        """After a reboot of SQLite's machine: let go of what the time before it means."""
        adopted = self._database.transact(queries.adopt_boot)
        if adopted:
            LOG.info("The machine was rebooted: all running operations are looked at again.", extra={"operations": adopted})

    def _release_forgotten(self) -> None:
        """Release what an ended parent left held: nobody else ever would."""
        with self._database.read() as tx:
            parents = queries.forgotten_parents(tx)
        for parent in parents:
            LOG.error("An operation ended without releasing what it held.", extra={"operation_id": parent})
            self._database.transact(functools.partial(queries.release_held, parent=parent))
