"""Queries on when servers lived, deleted ones too, and on what they have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from nova_lite import errors
from nova_lite.db.engine import Tx
from nova_lite.db.tables.servers import servers
from nova_lite.model.resources import Resources

Row = sa.RowMapping
_COLUMNS = (
    *(servers.c.id, servers.c.name, servers.c.project_id, servers.c.state),
    *(servers.c.flavor, servers.c.launched_at, servers.c.terminated_at),
)


def list_living(
    tx: Tx, period: tuple[float, float], project_id: str | None, *, marker: str | None = None, limit: int | None = None
) -> Sequence[Row]:
    """Read servers that ran at some moment of a period, by project and id. Raises: NotFound when the marker is no server."""
    start, stop = period
    query = sa.select(*_COLUMNS).where(
        servers.c.launched_at <= stop, sa.or_(servers.c.terminated_at.is_(None), servers.c.terminated_at >= start)
    )
    if project_id is not None:
        query = query.where(servers.c.project_id == project_id)
    if marker is not None:
        query = query.where(_after(tx, marker))
    query = query.order_by(servers.c.project_id, servers.c.id)
    return tx.execute(query if limit is None else query.limit(limit)).mappings().all()


def _after(tx: Tx, marker: str) -> sa.ColumnElement[Any]:
    project_id = tx.execute(sa.select(servers.c.project_id).where(servers.c.id == marker)).scalar_one_or_none()
    if project_id is None:
        raise errors.NotFound(f"The marker {marker} is no server.")
    same = sa.and_(servers.c.project_id == project_id, servers.c.id > marker)
    return sa.or_(servers.c.project_id > project_id, same)


def amounts_on(tx: Tx, host: str) -> list[tuple[str, Resources]]:
    """Read the projects of the living servers on a host, and what each server's flavor gives it."""
    query = sa.select(servers.c.project_id, servers.c.flavor).where(servers.c.host == host, servers.c.state != "deleted")
    return [
        (
            row.project_id,
            Resources(
                vcpus=row.flavor["vcpus"],
                ram_mib=row.flavor["ram_mib"],
                disk_gib=row.flavor.get("disk_gib", 0) + row.flavor.get("ephemeral_gib", 0),
            ),
        )
        for row in tx.execute(query.order_by(servers.c.project_id))
    ]
