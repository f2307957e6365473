"""Looking after what has to keep running: now and then, in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from nova_lite.compute.wiring.port import WiringError

LOG = logging.getLogger(__name__)
EVERY_S = 10.0


class Watch:
    """Calls `look` every 10 seconds from `begin` to `end`. A failure is told once, until it is over."""

    def __init__(self, look: Callable[[], None], every_s: float = EVERY_S) -> None:
        """Nothing runs before `begin`."""
        self._look = look
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failing = False

    def begin(self) -> None:
        """Start, unless it runs."""
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name="wiring-watch", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Stop; a look in progress is waited for."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                self._look()
            except WiringError as error:
                if not self._failing:
                    LOG.error("The host's network is not whole: %s", error.message, extra={"action": "mend_wiring"})
                self._failing = True
            else:
                self._failing = False
