"""Doorbells: they only save time, so the thread that rings never waits, and a lost one is lost."""

from __future__ import annotations

import logging
import queue
import threading

from nova_lite import errors, metrics
from nova_lite.model.ids import OperationId
from nova_lite.rpc.conductor import ConductorClient, Doorbell
from nova_lite.rpc.port import ENVELOPE, Envelope

LOG = logging.getLogger(__name__)
KEPT = 256


class DoorbellSender:
    """One thread that rings the conductors; it starts with the first doorbell, so a process may fork after this is made."""

    def __init__(self, conductor: ConductorClient) -> None:
        """`conductor` sends; Unavailable from it loses the doorbell."""
        self._conductor = conductor
        self._bells: queue.Queue[tuple[Doorbell, Envelope | None] | None] = queue.Queue(KEPT)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def ring(self, operation_id: OperationId) -> None:
        """Ring for an operation. Never waits and never fails."""
        self._ensure_thread()
        given = ENVELOPE.get()
        envelope = Envelope(request_id=given.request_id if given else None, operation_id=operation_id)
        try:
            self._bells.put_nowait((Doorbell(operation_id=operation_id), envelope))
        except queue.Full:
            metrics.DOORBELLS_LOST.inc()

    def stop(self, timeout_s: float = 1.0) -> None:
        """End the thread; doorbells that wait are lost if the broker is slow."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            try:
                self._bells.put_nowait(None)
            except queue.Full:
                return
            thread.join(timeout_s)

    def _ensure_thread(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="doorbell", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while (bell := self._bells.get()) is not None:
            try:
                self._conductor.ring(*bell)
            except errors.Unavailable:
                metrics.DOORBELLS_LOST.inc()
