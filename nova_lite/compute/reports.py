"""The outbox: what a host has to say is stored, sent, and sent again until the conductor acknowledges it."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable

from nova_lite import errors
from nova_lite.clock import Clock
from nova_lite.compute.ledger import Ledger, Notice
from nova_lite.rpc.conductor import ConductorPort, GuestPassword, Report

LOG = logging.getLogger(__name__)
FIRST_S = 2.0
MOST_S = 30.0
IDLE_S = 3600.0


@dataclasses.dataclass
class _Waiting:
    notice: Notice
    due: float
    pause_s: float = FIRST_S


class Outbox:
    """Sends notices that the ledger holds. Any thread may call it."""

    def __init__(self, ledger: Ledger, conductor: ConductorPort, clock: Clock) -> None:
        """What an earlier run of the daemon left is due at once."""
        self._ledger = ledger
        self._conductor = conductor
        self._clock = clock
        self._lock = threading.Lock()
        self._when_sent: Callable[[], None] = lambda: None
        now = clock.monotonic()
        self._waiting = {notice.id: _Waiting(notice, now) for notice in ledger.list_notices()}

    def when_sent(self, act: Callable[[], None]) -> None:
        """Have `act` called after each new notice: `repeat_due` is then to be called again."""
        self._when_sent = act

    def send(self, notice: Notice) -> None:
        """Send a notice that the ledger holds; from now on it is repeated. An older report of its server is forgotten."""
        with self._lock:
            for other in [one for one in self._waiting.values() if _replaces(notice, one.notice)]:
                del self._waiting[other.notice.id]
            self._waiting[notice.id] = _Waiting(notice, self._clock.monotonic() + FIRST_S)
        try:
            self._cast(notice)
        except errors.Unavailable:
            LOG.info("The broker did not take a report; it will be sent again.", extra={"server_id": notice.server_id})
        self._when_sent()

    def acknowledge(self, notice_id: str) -> None:
        """Forget a notice. May be repeated."""
        with self._lock:
            known = self._waiting.pop(notice_id, None)
        if known is not None:
            self._ledger.drop_notice(notice_id)

    def repeat_due(self) -> float:
        """Send what is due; give the seconds until something is due again. Raises: Unavailable, and the rest stays due."""
        for waiting in self._due():
            self._cast(waiting.notice)
            waiting.pause_s = min(waiting.pause_s * 2, MOST_S)
            waiting.due = self._clock.monotonic() + waiting.pause_s
        with self._lock:
            next_due = min((waiting.due for waiting in self._waiting.values()), default=None)
        return IDLE_S if next_due is None else max(next_due - self._clock.monotonic(), 0.0)

    def __len__(self) -> int:
        """Give how many notices are not acknowledged."""
        with self._lock:
            return len(self._waiting)

    def _due(self) -> list[_Waiting]:
        now = self._clock.monotonic()
        with self._lock:
            return [waiting for waiting in self._waiting.values() if waiting.due <= now]

    def _cast(self, notice: Notice) -> None:
        if isinstance(notice.message, Report):
            self._conductor.report(notice.message)
        elif isinstance(notice.message, GuestPassword):
            self._conductor.guest_password(notice.message)
        else:
            self._conductor.tombstone_done(notice.message)


def _replaces(new: Notice, old: Notice) -> bool:
    return old.server_id == new.server_id and old.kind == new.kind and old.id != new.id
