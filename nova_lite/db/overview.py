"""Counts for operators: what `nova-lite status` and `doctor` show of the whole cloud."""

from __future__ import annotations

import sqlalchemy as sa

from nova_lite.db.engine import Tx
from nova_lite.db.tables.inventory import claims
from nova_lite.db.tables.journal import operations
from nova_lite.db.tables.networks import ports
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


def servers_without_claim(tx: Tx) -> list[str]:
    """List servers on a host that hold no claim there and have no operation in hand."""
    held = sa.select(claims.c.server_id).where(claims.c.server_id == servers.c.id, claims.c.host == servers.c.host)
    moving = sa.select(operations.c.id).where(operations.c.subject_id == servers.c.id, operations.c.ended_at.is_(None))
    query = sa.select(servers.c.id).where(
        servers.c.host.is_not(None), servers.c.state != "deleted", ~held.exists(), ~moving.exists()
    )
    return [str(row.id) for row in tx.execute(query.limit(100))]


def claims_without_server(tx: Tx) -> list[tuple[str, str]]:
    """List claims (server, host) of servers that are deleted or unknown and have no operation in hand."""
    living = sa.select(servers.c.id).where(servers.c.id == claims.c.server_id, servers.c.state != "deleted")
    moving = sa.select(operations.c.id).where(operations.c.subject_id == claims.c.server_id, operations.c.ended_at.is_(None))
    query = sa.select(claims.c.server_id, claims.c.host).where(~living.exists(), ~moving.exists())
    return [(str(row.server_id), str(row.host)) for row in tx.execute(query.limit(100))]


def ports_without_server(tx: Tx) -> list[str]:
    """List ports of servers that are deleted or unknown and have no operation in hand."""
    living = sa.select(servers.c.id).where(servers.c.id == ports.c.server_id, servers.c.state != "deleted")
    moving = sa.select(operations.c.id).where(operations.c.subject_id == ports.c.server_id, operations.c.ended_at.is_(None))
    query = sa.select(ports.c.id).where(ports.c.server_id.is_not(None), ~living.exists(), ~moving.exists())
    return [str(row.id) for row in tx.execute(query.limit(100))]


def server_ids_on(tx: Tx, host: str) -> frozenset[str]:
    """Give the servers that a host has or is getting."""
    query = sa.select(servers.c.id).where(servers.c.host == host, servers.c.state != "deleted")
    return frozenset(str(row.id) for row in tx.execute(query))
