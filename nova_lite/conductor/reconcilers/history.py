"""History: ended operations and their events are kept 30 days, then removed a few at a time; answers to keys 24 hours."""

from __future__ import annotations

from nova_lite.db.engine import Database
from nova_lite.durable import idempotency, journal

KEPT_S = 30 * 86400.0


def reconcile(database: Database) -> int:
    """Remove what is too old; give the number of operations removed. May be repeated."""
    now = database.clock.wall()
    database.transact(lambda tx: idempotency.purge(tx, now))
    before = now - KEPT_S
    return database.transact(lambda tx: journal.purge(tx, before))
