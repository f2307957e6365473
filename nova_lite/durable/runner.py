"""The runner: takes due operations and drives them, in a pool of threads or, for tests, in the caller's.

Any number of runners may serve one database, in any number of processes. A doorbell saves time; a look each second
finds what it missed. This is the one place of the engine that catches whatever a step raises.
"""

from __future__ import annotations

import concurrent.futures
import logging
import random
import threading
from collections.abc import Callable, Sequence
from typing import Any

from nova_lite import errors
from nova_lite.clock import Clock
from nova_lite.db.engine import Database, Overtaken
from nova_lite.durable import turns
from nova_lite.durable.drive import Drive
from nova_lite.durable.leases import Leases, Row, RunnerOptions, Taken, Upkeep, project_of
from nova_lite.durable.progress import Unexpected
from nova_lite.durable.recording import Means, Stale
from nova_lite.durable.workflow import Back, Registry, StepFailed, Transient
from nova_lite.model.ids import HostName, OperationId

__all__ = ["Runner", "RunnerOptions", "catch", "never_silent"]

LOG = logging.getLogger(__name__)
DEAF_S = 60.0  # a dispatcher that has not come round for so long is dead


def never_silent(_host: HostName) -> float:
    """Know of no host's heartbeat."""
    return 0.0


def unnoticed(_point: str, _step: str) -> None:
    """Do not care where a drive is."""


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
        self._leases = Leases(database, registry, self._options, self._clock)
        self._upkeep = Upkeep(database, self._clock)
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
            owner=self._options.owner,
        )
        self._yielding: frozenset[str] = frozenset()
        self._bell = threading.Event()
        self._rung = True  # look with the first turn of the loop
        self._hungry = False  # all slots were filled: more may wait
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._pool: concurrent.futures.ThreadPoolExecutor | None = None
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
        end = self._clock.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(end - self._clock.monotonic(), 0.0))
        if self._pool is not None:
            self._pool.shutdown(wait=False)
            while self._leases.free() < self._options.slots and self._clock.monotonic() < end:
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
        self._upkeep.look()
        taken = self._leases.take(lambda rows: rows)
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
        self._upkeep.look()
        rung, self._rung = self._rung, False
        if not rung and not self._leases.any_due():
            self._yielding = frozenset()
            return
        while not self._stopping.is_set():
            self._hungry = True  # before counting: a slot that gets free from here on rings
            if self._leases.free() <= 0:
                self._see_who_waits()
                return
            taken = self._leases.take(self._fair)
            for one in taken:
                self._submit(one)
            if not taken or self._leases.saw_all:
                self._hungry = False
                self._yielding = frozenset()
                return

    def _submit(self, taken: Taken) -> None:
        pool = self._pool
        if pool is None:
            self._leases.forget(taken)  # stopped meanwhile: the lease runs out
            return
        try:
            pool.submit(self._run_in_slot, taken)
        except RuntimeError:
            self._leases.forget(taken)

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
            taken.drive = Drive(row, taken.left_s, taken.workflow, taken.signals, self._means)
            taken.drive.go()
        except errors.Unavailable as error:
            LOG.warning("An operation is let go.", extra={"operation_id": row["id"], "why": error.message})
        finally:
            self._leases.forget(taken)

    # -- leases ------------------------------------------------------------------------------------------------------

    def _renew_loop(self) -> None:
        while not self._stopping.wait(self._options.renew_s):
            try:
                self._leases.renew()
            except errors.Unavailable as error:
                LOG.warning("Leases could not be renewed.", extra={"why": error.message})
            except Exception:
                LOG.exception("Leases could not be renewed.")

    # -- fair turns --------------------------------------------------------------------------------------------------

    def _fair(self, rows: Sequence[Row]) -> Sequence[Row]:
        return turns.choose(rows, project_of, self._leases.counts(), self._options.slots)

    def _see_who_waits(self) -> None:
        """With all slots in use: have projects that hold too many give some up at their next step border."""
        self._yielding = turns.must_yield(self._leases.waiting(), self._leases.counts(), self._options.slots)

    def _must_let_go(self, project: str) -> bool:
        if self._stopping.is_set():
            return True
        return project in self._yielding and self._leases.counts()[project] > turns.share_of(self._options.slots)
