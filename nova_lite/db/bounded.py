"""A PostgreSQL connection that waits for each answer for a bounded time.

A server that hangs (a frozen process, a stuck disk) keeps its sockets open: neither keepalives nor TCP's own limits end the
wait, and a Unix socket has none. So the bound is here, on our side; after it the connection is closed.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import psycopg

LOOK_S = 0.1  # how often a silent server is looked at


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that is closed when one answer takes longer than `answer_s`. It gets its own after it was opened."""

    answer_s = 60.0

    def wait(self, gen: Any, interval: float = LOOK_S, timeout: float | None = None) -> Any:
        """Wait for one answer. Raises: psycopg.OperationalError when it does not come in time, or as `gen` does."""
        return super().wait(self._until(gen, time.monotonic() + self.answer_s), interval=interval, timeout=timeout)

    def _until(self, gen: Any, end: float) -> Generator[Any, Any, Any]:
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > end:
                    self.pgconn.finish()
                    raise psycopg.OperationalError("the server did not answer in time")
                wanted = gen.send(ready)
        except StopIteration as stop:
            return stop.value
