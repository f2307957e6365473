"""Says what is wrong without flooding the log: at once, then at most one line in 30 seconds."""

from __future__ import annotations

import logging
import threading
import time

EVERY_S = 30.0


class Trouble:
    """One kind of trouble. Lines in between are counted, and the count is told with the next one."""

    def __init__(self, log: logging.Logger, every_s: float = EVERY_S) -> None:
        """`log` gets the lines."""
        self._log = log
        self._every_s = every_s
        self._next = 0.0
        self._unsaid = 0
        self._lock = threading.Lock()

    def allow(self) -> int | None:
        """Give how many lines were left out since the last one, or None when this one is to be left out too."""
        with self._lock:
            if time.monotonic() < self._next:
                self._unsaid += 1
                return None
            self._next = time.monotonic() + self._every_s
            unsaid, self._unsaid = self._unsaid, 0
            return unsaid

    def say(self, sentence: str, **fields: object) -> None:
        """Log a warning, unless one was logged within the last 30 seconds."""
        unsaid = self.allow()
        if unsaid is not None:
            extra = {**fields, "left_out": unsaid} if unsaid else dict(fields)
            self._log.warning(sentence, extra=extra)

    def over(self, sentence: str) -> None:
        """Log once that it works again, if anything was wrong."""
        with self._lock:
            told, self._next = self._next > 0.0, 0.0
            self._unsaid = 0
        if told:
            self._log.info(sentence)


class Limited(logging.Filter):
    """Holds a library's loggers to the same measure. Nothing below WARNING passes unless `detail` is on."""

    def __init__(self, trouble: Trouble) -> None:
        """`trouble` is shared with the lines of our own, so that one cause gives one line."""
        super().__init__()
        self._trouble = trouble

    def filter(self, record: logging.LogRecord) -> bool:
        """Let one warning in 30 seconds through."""
        if record.levelno < logging.WARNING:
            return False
        record.exc_info = None
        return self._trouble.allow() is not None
