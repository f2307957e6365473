"""Who does the work on a host: side by side for different servers, one after another for the same.

A command joins the work in progress for the same task; of another task, it first stops that work and then takes its place.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import logging
import os
import threading
import time
from collections.abc import Callable

from nova_lite.clock import Clock
from nova_lite.compute.effort import Effort, measured
from nova_lite.compute.ledger import Task
from nova_lite.model.guest import PowerState
from nova_lite.model.ids import ServerId
from nova_lite.rpc.commands import CommandHead
from nova_lite.rpc.port import Envelope, carrying

LOG = logging.getLogger(__name__)
BUILDERS = min(4, (os.cpu_count() or 1) + 1)  # guests built at once: their cost is disk and CPU
SENDERS = 4  # disks sent off at once: each may take hours, and must not keep the others from working
HANDS = 16  # other work mostly waits: for a guest to shut itself down
Act = Callable[[threading.Event], PowerState | None]
Pools = Callable[[int, str], concurrent.futures.Executor]  # of so many workers, and of that name


def _threads(workers: int, name: str) -> concurrent.futures.Executor:
    return concurrent.futures.ThreadPoolExecutor(workers, thread_name_prefix=name)


@dataclasses.dataclass(eq=False)
class Work:
    """One task for one server. `head` is that of the newest command for it; a tombstone has none."""

    server_id: ServerId
    task: Task
    act: Act
    finish: Callable[[Work, concurrent.futures.Future[PowerState | None]], Callable[[], None] | None]
    head: CommandHead | None = None
    builds: bool = False
    sends: bool = False
    deadline: float | None = None
    expired: bool = False
    stop: threading.Event = dataclasses.field(default_factory=threading.Event)
    effort: Effort = dataclasses.field(default_factory=Effort)
    future: concurrent.futures.Future[PowerState | None] | None = None


class Crew:
    """The host's workers. `lock` makes taking a command, and writing down what came of one, happen one at a time."""

    def __init__(self, clock: Clock, *, builders: int = BUILDERS, hands: int = HANDS, pools: Pools = _threads) -> None:
        """Threads start when there is work; other `pools` may do it without any."""
        self.lock = threading.RLock()
        self._clock = clock
        self._builders = pools(builders, "build")
        self._hands = pools(hands, "work")
        self._senders = pools(SENDERS, "send")
        self._running: dict[ServerId, Work] = {}
        self._waiting: dict[ServerId, Work] = {}
        self._stopping = False

    def give(self, work: Work) -> None:
        """Have the work done, or join what is being done already."""
        with self.lock:
            if self._stopping:
                return
            running = self._running.get(work.server_id)
            if running is None:
                self._begin(work)
                return
            joined = running if not running.stop.is_set() else self._waiting.get(work.server_id)
            if joined is not None and joined.task == work.task:
                joined.head, joined.deadline = work.head, work.deadline
                return
            running.stop.set()
            self._waiting[work.server_id] = work
            if running.future is not None:
                running.future.cancel()  # one that has not begun gives way at once, not after all that is queued before it

    def is_busy(self, server_id: ServerId) -> bool:
        """Whether something is being done for the server."""
        with self.lock:
            return server_id in self._running

    def expire(self) -> None:
        """Stop the work whose time is over."""
        now = self._clock.monotonic()
        with self.lock:
            for work in (*self._running.values(), *self._waiting.values()):
                if work.deadline is not None and work.deadline <= now and not work.stop.is_set():
                    work.expired = True
                    work.stop.set()

    def stop(self, timeout_s: float) -> None:
        """Take no more work, stop what is in hand, wait for its end. What was stopped is done after the next start."""
        with self.lock:
            self._stopping = True
            self._waiting.clear()
            for work in self._running.values():
                work.stop.set()
        until = time.monotonic() + timeout_s
        while self._running and time.monotonic() < until:
            time.sleep(0.02)
        self._builders.shutdown(wait=False, cancel_futures=True)
        self._hands.shutdown(wait=False, cancel_futures=True)
        self._senders.shutdown(wait=False, cancel_futures=True)

    def _begin(self, work: Work) -> None:
        self._running[work.server_id] = work
        pool = self._builders if work.builds else self._senders if work.sends else self._hands
        work.future = pool.submit(_do, work)
        work.future.add_done_callback(functools.partial(self._ended, work))

    def _ended(self, work: Work, future: concurrent.futures.Future[PowerState | None]) -> None:
        """Write down what came of a work, then begin what waits for its server. Runs in the worker's thread.

        A work that was cancelled has never begun: there is nothing to write down.
        """
        with self.lock:
            try:
                say = None if future.cancelled() else work.finish(work, future)
            finally:
                self._running.pop(work.server_id, None)
                follower = self._waiting.pop(work.server_id, None)
                if follower is not None and not self._stopping:
                    self._begin(follower)
        if say is not None:
            say()


def _do(work: Work) -> PowerState | None:
    head = work.head
    envelope = Envelope(request_id=head.request_id, operation_id=head.operation_id) if head else None
    with carrying(envelope), measured(work.effort):
        return work.act(work.stop)
