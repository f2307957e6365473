"""The runner: takes due operations and drives them, in a pool of threads or, for tests, in the caller's.

Any number of runners may serve one database, in any number of processes. A doorbell saves time; a look each second
finds what it missed. This is the one place of the engine that catches whatever a step raises.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import logging
import os
import random
import socket
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from nova_lite import errors
from nova_lite.clock import Clock
from nova_lite.db import journal as queries
from nova_lite.db.engine import Database, Overtaken, Tx
from nova_lite.durable import signals as reading
from nova_lite.durable import turns
from nova_lite.durable.drive import Drive, Means, Stale
from nova_lite.durable.progress import Unexpected
from nova_lite.durable.workflow import Back, Registry, Signal, StepFailed, Transient
from nova_lite.model.ids import HostName, OperationId

LOG = logging.getLogger(__name__)
LATE_S = 10.0  # an operation that nobody served for longer than this has that time added to its deadline
TIDY_S = 60.0  # between looks for what a parent forgot to release
DEAF_S = 60.0  # a dispatcher that has not come round for so long is dead

Row = queries.Row


def never_silent(_host: HostName) -> float:
    """Know of no host's heartbeat."""
    return 0.0


def unnoticed(_point: str, _step: str) -> None:
    """Do not care where a drive is."""


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
    signals: tuple[Signal, ...]
    drive: Drive | None = None


def catch(work: Callable[[], Any]) -> Any:
    """Call a step, a hook or a recording; give what it returned, or the ending that its exception means."""
    try:
        return work()
    except (Back, Transient, StepFailed, errors.Unavailable, Stale) as ending:
        return ending
    except errors.NovaLiteError as error:
        LOG.warning("A step raised an error that it does not announce.", exc_info=True)
        return Unexpected(error.message, type(error).__name__)
    except Overtaken:
        raise
    except Exception as error:
        LOG.exception("A step raised an unexpected error.")
        return Unexpected("An unexpected error happened.", type(error).__name__)


class Runner:
    """Takes leases and runs operations. `start` and `stop` for daemons, `run_once` for tests."""

    def __init__(
        self,
        database: Database,
        registry: Registry,
        ports: Any,
        options: RunnerOptions | None = None,
        clock: Clock | None = None,
        *,
        silence_of: Callable[[HostName], float] = never_silent,
        reached: Callable[[str, str], None] = unnoticed,
    ) -> None:
        """`silence_of` gives the seconds since the last contact with a host whose heartbeat is overdue, else 0.

        `reached` is told each point that a drive comes to; what it raises stops the drive there (tests only).
        """
        self._options = options or RunnerOptions()
        self._database = database
        self._clock = clock or database.clock
        self._workflows = {(workflow.name, workflow.version): workflow for workflow in registry.all()}
        self._steps = {key: {step.name for step in workflow.steps} for key, workflow in self._workflows.items()}
        self._lessee = queries.Lessee(
            owner=self._options.owner,
            pools=self._options.pools,
            known=tuple(self._workflows),
            lease_s=self._options.lease_s,
        )
        self._means = Means(
            database=database,
            clock=self._clock,
            ports=ports,
            lease_s=self._options.lease_s,
            catch=catch,
            ring=self.ring,
            silence_of=silence_of,
            reached=reached,
            must_let_go=self._must_let_go,
        )
        self._lock = threading.Lock()
        self._held: set[Taken] = set()
        self._yielding: frozenset[str] = frozenset()
        self._bell = threading.Event()
        self._rung = True  # look with the first turn of the loop
        self._hungry = False  # all slots were filled: more may wait
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._pool: concurrent.futures.ThreadPoolExecutor | None = None
        self._boot: str | None = None
        self._tidied_at = 0.0
        self._round_at = self._clock.monotonic()

    # -- the daemon's life -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to serve, in threads of its own."""
        self._pool = concurrent.futures.ThreadPoolExecutor(self._options.slots, thread_name_prefix="slot")
        self._round_at = self._clock.monotonic()
        for name, loop in (("dispatcher", self._dispatch_loop), ("leases", self._renew_loop)):
            thread = threading.Thread(target=loop, name=f"runner-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self, timeout_s: float = 15.0) -> None:
        """Take nothing more, let what runs come to its next step border, and give all leases back. May be repeated."""
        self._stopping.set()
        self._bell.set()
        for thread in self._threads:
            thread.join(timeout_s)
        if self._pool is not None:
            self._pool.shutdown(wait=False)
            end = self._clock.monotonic() + timeout_s
            while self._free() < self._options.slots and self._clock.monotonic() < end:
                self._clock.sleep(0.02)
            self._pool = None

    def alive(self) -> bool:
        """Whether the runner still comes round (for the watchdog)."""
        if not all(thread.is_alive() for thread in self._threads):
            return False
        return self._clock.monotonic() - self._round_at < DEAF_S

    def ring(self, operation_id: OperationId) -> None:
        """Say that an operation is due: it is taken at once if a slot is free. Never blocks."""
        del operation_id  # all that are due are looked for together
        self._rung = True
        self._bell.set()

    def run_once(self) -> int:
        """Take what is due, up to 32, and run it in the calling thread; give the number of operations run."""
        self._adopt_boot()
        self._tidy()
        taken = self._take(lambda rows: rows)
        for one in taken:
            self._run(one)
        return len(taken)

    # -- dispatching -------------------------------------------------------------------------------------------------

    def _dispatch_loop(self) -> None:
        while not self._stopping.is_set():
            self._bell.wait(self._options.poll_s * random.uniform(0.8, 1.0))
            self._bell.clear()
            self._round_at = self._clock.monotonic()
            try:
                self._dispatch()
            except errors.Unavailable as error:
                LOG.warning("The database does not answer; operations go on when it does.", extra={"why": error.message})
                self._stopping.wait(self._options.poll_s)
            except Exception:
                LOG.exception("Looking for due operations failed.")
                self._stopping.wait(self._options.poll_s)

    def _dispatch(self) -> None:
        self._adopt_boot()
        self._tidy()
        rung, self._rung = self._rung, False
        if not rung:
            with self._database.read() as tx:
                if not queries.any_due(tx, self._lessee):
                    self._yielding = frozenset()
                    return
        while not self._stopping.is_set():
            self._hungry = True  # before counting: a slot that gets free from here on rings
            if self._free() <= 0:
                self._see_who_waits()
                return
            taken = self._take(self._fair)
            for one in taken:
                self._submit(one)
            if not taken:
                self._hungry = False
                self._yielding = frozenset()
                return

    def _submit(self, taken: Taken) -> None:
        pool = self._pool
        if pool is None:
            self._forget(taken)  # stopped meanwhile: the lease runs out
            return
        try:
            pool.submit(self._run_in_slot, taken)
        except RuntimeError:
            self._forget(taken)

    def _run_in_slot(self, taken: Taken) -> None:
        try:
            self._run(taken)
        except Exception:
            LOG.exception("An operation could not be driven.", extra={"operation_id": taken.row["id"]})
        finally:
            if self._hungry:
                self._rung = True
                self._bell.set()

    def _run(self, taken: Taken) -> None:
        row = taken.row
        try:
            workflow = self._workflows[row["workflow"], row["version"]]
            taken.drive = Drive(row, taken.left_s, workflow, taken.signals, self._means)
            taken.drive.go()
        except errors.Unavailable as error:
            LOG.warning("An operation is let go.", extra={"operation_id": row["id"], "why": error.message})
        finally:
            self._forget(taken)

    def _forget(self, taken: Taken) -> None:
        with self._lock:
            self._held.discard(taken)

    # -- leases ------------------------------------------------------------------------------------------------------

    def _take(self, choose: Callable[[Sequence[Row]], Sequence[Row]]) -> list[Taken]:
        """Lease what is due and `choose` lets through."""

        def work(tx: Tx) -> tuple[list[Row], Sequence[Row]]:
            def chosen(found: Sequence[Row]) -> list[tuple[Row, float | None]]:
                return [(row, self._deadline(row)) for row in choose([row for row in found if self._is_sound(row)])]

            rows = queries.take_due(tx, self._lessee, chosen)
            return rows, queries.select_signals(tx, [row["id"] for row in rows if row["signal_seq"] > 0])

        rows, signals = self._database.transact(work)
        found = []
        for row in rows:
            deadline = self._deadline(row)
            left_s = 0.0 if deadline is None else deadline - row["now"]
            own = [signal for signal in signals if signal["operation_id"] == row["id"]]
            found.append(Taken(row, left_s, reading.from_rows(own)))
        with self._lock:
            self._held.update(found)
        return found

    def _deadline(self, row: Row) -> float | None:
        """Give the deadline to lease a row with: time without any runner is not counted; None while it stands still."""
        if row["state"].get("frozen_left_s") is not None:
            return None
        if row["deadline_at"] is None:
            workflow = self._workflows[row["workflow"], row["version"]]
            return float(row["now"]) + workflow.steps[workflow.index(row["step"])].deadline_s
        late_s = row["now"] - max(row["wake_at"], row["lease_until"] or row["wake_at"])
        return float(row["deadline_at"] + (late_s if late_s > LATE_S else 0.0))

    def _is_sound(self, row: Row) -> bool:
        """Whether this release knows the row's step; one that does not belong here is left for others."""
        if row["step"] in self._steps[row["workflow"], row["version"]]:
            return True
        LOG.error("An operation stands at a step that this release does not know.", extra={"operation_id": row["id"]})
        return False

    def _renew_loop(self) -> None:
        while not self._stopping.wait(self._options.renew_s):
            try:
                self._renew()
            except errors.Unavailable as error:
                LOG.warning("Leases could not be renewed.", extra={"why": error.message})
            except Exception:
                LOG.exception("Leases could not be renewed.")

    def _renew(self) -> None:
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

    # -- fair turns --------------------------------------------------------------------------------------------------

    def _fair(self, rows: Sequence[Row]) -> Sequence[Row]:
        return turns.choose(rows, _project, self._counts(), self._options.slots)

    def _counts(self) -> Counter[str]:
        with self._lock:
            return Counter(_project(taken.row) for taken in self._held)

    def _free(self) -> int:
        with self._lock:
            return self._options.slots - len(self._held)

    def _see_who_waits(self) -> None:
        """With all slots in use: have projects that hold too many give some up at their next step border."""
        with self._database.read() as tx:
            waiting = {project or "" for project in queries.waiting_projects(tx, self._lessee)}
        self._yielding = turns.must_yield(waiting, self._counts(), self._options.slots)

    def _must_let_go(self, project: str) -> bool:
        if self._stopping.is_set():
            return True
        return project in self._yielding and self._counts()[project] > turns.share_of(self._options.slots)

    # -- the long run ------------------------------------------------------------------------------------------------

    def _adopt_boot(self) -> None:
        """After a reboot of SQLite's machine: let go of what the time before it means."""
        boot = queries.boot_id(self._database)
        if boot == self._boot:
            return
        adopted = self._database.transact(queries.adopt_boot)
        if adopted:
            LOG.info("The machine was rebooted: all running operations are looked at again.", extra={"operations": adopted})
        self._boot = boot

    def _tidy(self) -> None:
        """Release what an ended parent left held: nobody else ever would."""
        if self._clock.monotonic() - self._tidied_at < TIDY_S:
            return
        self._tidied_at = self._clock.monotonic()
        with self._database.read() as tx:
            parents = queries.forgotten_parents(tx)
        for parent in parents:
            LOG.error("An operation ended without releasing what it held.", extra={"operation_id": parent})
            self._database.transact(functools.partial(queries.release_held, parent=parent))


def _project(row: Row) -> str:
    return str(row["project_id"] or "")
