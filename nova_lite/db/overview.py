"""Counts for operators: what `nova-lite status` and `doctor` show of the whole cloud."""

from __future__ import annotations

import sqlalchemy as sa

from nova_lite.db.engine import Tx
from nova_lite.db.tables.journal import operations
from nova_lite.db.tables.servers import servers


def servers_by_state(tx: Tx) -> dict[str, int]:
    """Count the servers that are not deleted, by settled state."""
    query = sa.select(servers.c.state, sa.func.count()).where(servers.c.state != "deleted").group_by(servers.c.state)
    return {str(state): int(count) for state, count in tx.execute(query.order_by(servers.c.state))}


def live_operations(tx: Tx) -> int:
    """Count the operations in hand."""
    return int(tx.execute(sa.select(sa.func.count()).where(operations.c.ended_at.is_(None))).scalar_one())


def newest_operations(tx: Tx, limit: int) -> list[str]:
    """List the operations begun last, ended ones too, newest first."""
    query = sa.select(operations.c.id).order_by(operations.c.started_at.desc(), operations.c.id).limit(limit)
    return [str(row.id) for row in tx.execute(query)]


def server_ids_on(tx: Tx, host: str) -> frozenset[str]:
    """Give the servers that a host has or is getting."""
    query = sa.select(servers.c.id).where(servers.c.host == host, servers.c.state != "deleted")
    return frozenset(str(row.id) for row in tx.execute(query))
