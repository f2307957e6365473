"""A receiver on RabbitMQ that can be started, restarted and stopped in bounded time, whatever the broker does.

oslo.messaging's server blocks in start() and stop() while the broker is away. So both run in threads of their own here,
and one that hangs is left behind: it ends by itself when the broker answers.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from nova_lite import metrics
from nova_lite.rpc.trouble import Trouble

LOG = logging.getLogger(__name__)
RETRY_S = 2.0
NUDGES = 6
NUDGE_S = 0.3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Doors:
    """What a listener needs of its transport.

    `make_server` gives a fresh server of oslo.messaging; `hush` has one take no more messages (consumers.py); `nudge` sends
    it an empty message, which ends its wait for one (else both take some seconds); `explain` gives a sentence for what went
    wrong.
    """

    make_server: Callable[[], Any]
    hush: Callable[[Any], None]
    nudge: Callable[[], None]
    explain: Callable[[BaseException], str]


class RabbitListener:
    """Keeps one oslo.messaging server running for as long as it is wanted."""

    def __init__(self, doors: Doors, *, threads: int, trouble: Trouble) -> None:
        """Nothing starts yet. `threads` bounds the handlers that run at once."""
        self._doors = doors
        self._threads = threads
        self._trouble = trouble
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._ready = threading.Event()
        self._generation = 0
        self._server: Any = None

    def start(self) -> None:
        """Begin to listen, in the background."""
        with self._lock:
            self._generation += 1
            generation = self._generation
        threading.Thread(target=self._run, args=(generation,), name="listener-start", daemon=True).start()

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait until messages can arrive; False when the broker is still away."""
        return self._ready.wait(max(timeout_s, 0.0))

    def restart(self) -> None:
        """Build connection and queues anew. Returns at once."""
        metrics.LISTENER_RESTARTS.inc()
        self._close_in_background()
        self.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Take no more messages, let the handlers in hand finish, close. May be repeated."""
        closer = self._close_in_background()
        self._wake.set()
        if closer is not None:
            closer.join(timeout_s)
            if closer.is_alive():
                LOG.info("A receiver did not end in time; it is left behind.")

    def _close_in_background(self) -> threading.Thread | None:
        server = self._detach()
        return None if server is None else self._close(server)

    def _close(self, server: Any) -> threading.Thread:
        """Close a server of oslo.messaging; it may take as long as the broker is away."""
        silent = threading.Event()
        closer = threading.Thread(target=self._end, args=(server, silent), name="listener-close", daemon=True)
        closer.start()
        threading.Thread(target=self._nudge, args=(silent,), name="listener-nudge", daemon=True).start()
        return closer

    def _end(self, server: Any, silent: threading.Event) -> None:
        began = time.monotonic()
        self._doors.hush(server)
        server.stop()
        silent.set()
        server.wait()
        LOG.debug("A receiver was closed.", extra={"seconds": round(time.monotonic() - began, 3)})

    def _nudge(self, silent: threading.Event) -> None:
        """Wake the server that is being closed. A daemon of the same name may get the message instead: then once more."""
        for _ in range(NUDGES):
            if silent.is_set():
                return
            self._doors.nudge()
            silent.wait(NUDGE_S)

    def _detach(self) -> Any:
        """Take the running server away, and make any start in hand worthless."""
        with self._lock:
            self._generation += 1
            self._ready.clear()
            server, self._server = self._server, None
            return server

    def _run(self, generation: int) -> None:
        while self._is_current(generation):
            server = self._doors.make_server()
            try:
                server.start(override_pool_size=self._threads)
            except Exception as error:  # an RPC server: whatever the library raises, we try again
                self._trouble.say(self._doors.explain(error))
                self._wake.wait(RETRY_S)
                continue
            with self._lock:
                wanted = generation == self._generation
                if wanted:
                    self._server = server
                    self._ready.set()
            if not wanted:
                self._close(server)
            return

    def _is_current(self, generation: int) -> bool:
        with self._lock:
            return generation == self._generation
