"""Sends what stands in the outbox, oldest first: at least once, and in order as long as no conductor dies.

One conductor sends at a time. A notification is deleted after the broker confirmed it: one that dies between the two
leaves it to be sent again, with the same message id.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any, Protocol

from nova_lite import errors
from nova_lite.db import outbox as queries
from nova_lite.db.engine import Database, Tx
from nova_lite.servers import notices, records

LOG = logging.getLogger(__name__)
LOOK_S = 1.0
AT_ONCE = 50
PERIOD_S = 3600.0  # of `instance.exists`
SERVERS_AT_ONCE = 200


class Notifier(Protocol):
    """Who takes notifications."""

    def publish(self, row: Mapping[str, Any]) -> None:
        """Send one; returns when it is safe with the receiver. Raises: Unavailable."""

    def close(self) -> None:
        """Let go of connections."""


class Outbox:
    """A thread that empties the outbox, and writes each hour which servers there were."""

    def __init__(self, database: Database, notifier: Notifier, owner: str) -> None:
        """`owner` is unique to this process."""
        self._database = database
        self._notifier = notifier
        self._owner = owner[:128]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="outbox", daemon=True)
        self._told = ""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """End after the notification in hand, and leave the rest to others at once."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        self._notifier.close()

    def alive(self) -> bool:
        """Whether the thread goes on."""
        return self._thread.is_alive()

    def look(self) -> None:
        """Write what is due of usage, and send all that waits. Raises: Unavailable."""
        tell_usage(self._database)
        while self.send_some():
            pass

    def send_some(self) -> bool:
        """Send a few; whether there may be more. Raises: Unavailable of the database or the broker, and the rest is kept."""
        rows = self._database.transact(lambda tx: queries.take(tx, self._owner, AT_ONCE))
        sent: list[int] = []
        try:
            for row in rows:
                if self._stopping.is_set():
                    break
                self._notifier.publish(row)
                sent.append(row["id"])
        finally:
            self._database.transact(lambda tx: self._settle(tx, sent))
        return len(sent) == AT_ONCE

    def _settle(self, tx: Tx, sent: list[int]) -> None:
        if sent:
            queries.delete(tx, sent)
        queries.let_go(tx, self._owner)

    def _work(self) -> None:
        while not self._stopping.wait(LOOK_S):
            try:
                self.look()
                self._told = ""
            except errors.Unavailable as error:
                self._say(error.message)

    def _say(self, problem: str) -> None:
        if problem != self._told:
            LOG.warning("Notifications wait in the outbox: %s", problem)
            self._told = problem


def tell_usage(database: Database) -> int:
    """Write `instance.exists` for the last full hour, some servers in each transaction; give how many were told of.

    May be repeated, and done by several at once: the mark says how far it is.
    """
    told = 0
    while True:
        count = database.transact(_tell_some)
        told += count or 0
        if count is None:
            return told


def _tell_some(tx: Tx) -> int | None:
    """Tell of the next servers; None when the period is told."""
    wall = tx.database.clock.wall()
    end = wall - wall % PERIOD_S
    mark = queries.mark(tx, "hour")
    if mark is None:
        queries.begin_marks(tx, "hour", end)
        return None
    if mark["period_end"] >= end and mark["after"] == queries.TOLD:
        return None
    after = "" if mark["period_end"] < end else mark["after"]
    ids = queries.servers_that_existed(tx, end - PERIOD_S, after, SERVERS_AT_ONCE)
    if not queries.move_mark(tx, mark, end, ids[-1] if len(ids) == SERVERS_AT_ONCE else queries.TOLD):
        return 0
    servers = [records.get(tx, server_id, include_deleted=True) for server_id in ids]
    notices.write_exists(tx, [server for server in servers if server.created_at < end], end - PERIOD_S, end)
    return len(ids)
