"""Sends in threads of its own, so that no caller waits longer than it wants.

oslo.messaging waits without limit for a broker that has blocked its publishers (no disk, no memory), and a connection's
lock is held meanwhile. A thread that hangs like this is left to hang: its callers are told Unavailable, and what
waits behind it is given up when its own time is over.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from nova_lite import errors

WAITING = 64  # callers at once; more than these means that the broker does not keep up


class _Job:
    """One message on its way to the broker."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.work = work
        self.done = threading.Event()
        self.given_up = False
        self.error: errors.Unavailable | None = None

    def run(self) -> None:
        """Send, unless nobody waits any more."""
        if not self.given_up:
            try:
                self.work()
            except errors.Unavailable as error:
                self.error = error
        self.done.set()


class Sender:
    """A bounded number of threads, as many as the pool has connections; they start with the first message."""

    def __init__(self, threads: int) -> None:
        """Nothing starts yet: a process may fork after this."""
        self._size = threads
        self._jobs: queue.Queue[_Job | None] = queue.Queue(WAITING)
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closed = False

    def run(self, work: Callable[[], None], timeout_s: float) -> None:
        """Run `work` (it may raise Unavailable) within the time. Raises: Unavailable; `work` may then still end later."""
        self._ensure_threads()
        job = _Job(work)
        try:
            self._jobs.put_nowait(job)
        except queue.Full as error:
            raise errors.Unavailable("RabbitMQ does not keep up at the moment.") from error
        if not job.done.wait(timeout_s):
            job.given_up = True
            raise errors.Unavailable("RabbitMQ did not take a message in time.")
        if job.error is not None:
            raise job.error

    def close(self, timeout_s: float) -> bool:
        """End the threads after what is in hand; False when one still hangs."""
        with self._lock:
            self._closed = True
            threads = list(self._threads)
        for _ in threads:
            try:
                self._jobs.put_nowait(None)
            except queue.Full:
                return False
        for thread in threads:
            thread.join(timeout_s / len(threads))
        return not any(thread.is_alive() for thread in threads)

    def _ensure_threads(self) -> None:
        with self._lock:
            if self._closed:
                raise errors.Unavailable("The connection to RabbitMQ is closed.")
            while len(self._threads) < self._size:
                thread = threading.Thread(target=self._work, name="sender", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()
