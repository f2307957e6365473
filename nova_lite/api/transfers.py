"""Slots for moving image bytes: at most half of a worker's threads do, the others stay free for short requests."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from nova_lite import errors


class Transfers:
    """A bounded number of slots, taken at once or not at all."""

    def __init__(self, slots: int = 8) -> None:
        """`slots` is half of the worker's threads."""
        self._free = threading.BoundedSemaphore(slots)

    @contextlib.contextmanager
    def slot(self) -> Iterator[None]:
        """Hold a slot while bytes move. Raises: Unavailable when all are taken."""
        self._take()
        try:
            yield
        finally:
            self._free.release()

    def held(self, file: Any) -> HeldFile:
        """Take a slot for a file that is sent after the handler has returned; closing it gives the slot back.

        Raises: Unavailable when all are taken; the file is then closed.
        """
        try:
            self._take()
        except errors.Unavailable:
            file.close()
            raise
        return HeldFile(file, self._free)

    def _take(self) -> None:
        if not self._free.acquire(blocking=False):
            raise errors.Unavailable("Too many image transfers run at the moment; try again in a few seconds.", retry_after_s=5)


class HeldFile:
    """Open bytes that hold a transfer slot until they are closed; with the `fileno` and `tell` of a file sendfile works."""

    def __init__(self, file: Any, free: threading.BoundedSemaphore) -> None:
        """Made by `Transfers.held` only."""
        self._file = file
        self._free = free
        self._lock = threading.Lock()
        self._closed = False
        self.read = file.read
        if hasattr(file, "fileno"):
            self.fileno, self.tell, self.seek = file.fileno, file.tell, file.seek

    def close(self) -> None:
        """Close the file and give the slot back. May be repeated."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._free.release()
        self._file.close()
