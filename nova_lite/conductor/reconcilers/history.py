"""History: ended operations with their events, and repairs, are kept 30 days; answers kept for retries, a day.

Tokens of consoles that nobody used are forgotten.
"""

from __future__ import annotations

from nova_lite.db import differences
from nova_lite.db.engine import Database
from nova_lite.durable import idempotency, journal
from nova_lite.servers import consoles

KEPT_S = 30 * 86400.0


def reconcile(database: Database) -> int:
    """Remove what is too old; give the number of operations removed. May be repeated."""
    now = database.clock.wall()
    database.transact(lambda tx: idempotency.purge(tx, now))
    database.transact(consoles.purge)
    before = now - KEPT_S
    database.transact(lambda tx: differences.purge_repairs(tx, before))
    return database.transact(lambda tx: journal.purge(tx, before))
