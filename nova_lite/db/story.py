"""Reading what was kept of operations, for `nova-lite story`: found by their id, a request's id, or a server's."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from nova_lite.db import clock
from nova_lite.db.engine import Tx
from nova_lite.db.journal import Row
from nova_lite.db.tables.journal import operations


def find_operations(tx: Tx, word: str) -> Sequence[Row]:
    """Read the operations that a word names, oldest first, with `wake_in_s`, `left_s` and `leased_s`: what is left of each."""
    now = clock.now_sql(tx.database)
    query = sa.select(
        operations,
        (operations.c.wake_at - now).label("wake_in_s"),
        (operations.c.deadline_at - now).label("left_s"),
        (operations.c.lease_until - now).label("leased_s"),
    ).order_by(operations.c.started_at, operations.c.id)
    of_server = sa.and_(operations.c.subject_kind == "server", operations.c.subject_id == word)
    for condition in (operations.c.id == word, operations.c.request_id == word, of_server):
        rows = tx.execute(query.where(condition)).mappings().all()
        if rows:
            return rows
    return []
