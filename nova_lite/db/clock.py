"""The journal's clock: one clock compared with itself, whichever engine keeps the rows.

PostgreSQL and MariaDB tell their own time, so control nodes need not agree on theirs. SQLite has one machine, whose
time since boot only rises; it means nothing after a reboot, so rows carry the boot's id.
"""

from __future__ import annotations

import sqlalchemy as sa

from nova_lite.db.engine import Database, Tx

_SERVER_CLOCKS = {
    "postgresql": "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS DOUBLE PRECISION)",
    "mysql": "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(6)) / 1e6)",
}


def now_sql(database: Database) -> sa.ColumnElement[float]:
    """Give the journal's time as a part of a statement."""
    if database.own_time:
        return sa.literal(database.clock.monotonic(), sa.Double())
    return sa.literal_column(_SERVER_CLOCKS[database.dialect], sa.Double())


def now_of(dialect: str, *, own_time: bool) -> sa.ColumnElement[float]:
    """Give the journal's time as a part of a statement that is kept; with a time of our own its value is `parameters`."""
    if own_time:
        return sa.bindparam("journal_now", type_=sa.Double())
    return sa.literal_column(_SERVER_CLOCKS[dialect], sa.Double())


def parameters(database: Database) -> dict[str, float]:
    """Give what a statement with `now_of` is executed with."""
    return {"journal_now": database.clock.monotonic()} if database.own_time else {}


def now(tx: Tx) -> float:
    """Read the journal's time in seconds; only differences mean something."""
    if tx.database.own_time:
        return tx.database.clock.monotonic()
    return float(tx.execute(sa.select(now_sql(tx.database))).scalar_one())


def boot_id(database: Database) -> str | None:
    """Give the boot whose time the rows written now carry; None where the database has a clock of its own."""
    return database.clock.boot_id() if database.own_time else None
