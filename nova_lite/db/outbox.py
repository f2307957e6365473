"""Queries on the outbox: written in the transaction of what is told, taken by one conductor at a time, deleted when sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from nova_lite.db import clock
from nova_lite.db.engine import Tx
from nova_lite.db.tables.outbox import outbox, usage_marks
from nova_lite.db.tables.servers import servers

Row = sa.RowMapping
TOLD = "~"  # sorts behind every id
TAKEN_S = 30.0  # a conductor that dies is waited for so long


def insert(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write notifications."""
    tx.execute(outbox.insert(), [dict(row) for row in rows])


def take(tx: Tx, owner: str, limit: int) -> Sequence[Row]:
    """Take the oldest for one sender; nothing while another has them, so that the order is kept. May be repeated."""
    now = clock.now_sql(tx.database)
    # A time beyond what anybody can have written is of another boot of the machine.
    held = sa.and_(outbox.c.taken_until > now, outbox.c.taken_until <= now + TAKEN_S, outbox.c.taken_by != owner)
    query = sa.select(outbox, sa.case((held, 1), else_=0).label("held")).order_by(outbox.c.id).limit(limit)
    rows = tx.execute(query).mappings().all()
    if not rows or any(row["held"] for row in rows):
        return []
    ids = [row["id"] for row in rows]
    free = sa.or_(outbox.c.taken_until.is_(None), sa.not_(held))
    values = {"taken_by": owner, "taken_until": now + TAKEN_S}
    changed = tx.execute(outbox.update().where(outbox.c.id.in_(ids), free).values(values)).rowcount
    return rows if changed == len(ids) else []


def delete(tx: Tx, ids: Sequence[int]) -> None:
    """Strike out what the broker took. May be repeated."""
    tx.execute(outbox.delete().where(outbox.c.id.in_(ids)))


def let_go(tx: Tx, owner: str) -> None:
    """Leave what was taken to others, at once."""
    tx.execute(outbox.update().where(outbox.c.taken_by == owner).values(taken_until=None))


def standing(tx: Tx) -> tuple[int, float | None]:
    """Count what waits, and say when the oldest was written (wall clock)."""
    counted = sa.select(sa.func.count().label("waiting"), sa.func.min(outbox.c.created_at).label("oldest"))
    found = tx.execute(counted).one()
    return int(found.waiting), None if found.oldest is None else float(found.oldest)


def mark(tx: Tx, name: str) -> Row | None:
    """Read how far a period is told."""
    return tx.execute(sa.select(usage_marks).where(usage_marks.c.name == name)).mappings().one_or_none()


def begin_marks(tx: Tx, name: str, period_end: float) -> None:
    """Write the first mark: everything before it counts as told."""
    tx.execute(usage_marks.insert(), {"name": name, "period_end": period_end, "after": TOLD})


def move_mark(tx: Tx, seen: Row, period_end: float, after: str) -> bool:
    """Move a mark on, unless another conductor did."""
    same = (
        usage_marks.c.name == seen["name"],
        usage_marks.c.period_end == seen["period_end"],
        usage_marks.c.after == seen["after"],
    )
    return tx.execute(usage_marks.update().where(*same).values(period_end=period_end, after=after)).rowcount == 1


def servers_that_existed(tx: Tx, since: float, after: str, limit: int) -> list[str]:
    """List the ids of servers that lived at some moment since then, in order from behind `after`."""
    alive = sa.or_(servers.c.state != "deleted", servers.c.terminated_at >= since)
    query = sa.select(servers.c.id).where(alive, servers.c.id > after).order_by(servers.c.id).limit(limit)
    return list(tx.execute(query).scalars())
