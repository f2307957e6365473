"""Queries on server groups, their members, and where the members hold room."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from nova_lite.db.engine import Tx
from nova_lite.db.tables.inventory import claims
from nova_lite.db.tables.placement import server_group_members, server_groups
from nova_lite.db.tables.servers import servers

Row = sa.RowMapping


def select_groups(tx: Tx, *, project_id: str | None, limit: int, offset: int) -> Sequence[Row]:
    """Read a page of groups, oldest first; of all projects without one."""
    query = sa.select(server_groups).order_by(server_groups.c.created_at, server_groups.c.id).limit(limit).offset(offset)
    if project_id is not None:
        query = query.where(server_groups.c.project_id == project_id)
    return tx.execute(query).mappings().all()


def find_group(tx: Tx, group_id: str, *, lock: bool = False) -> Row | None:
    """Read a group; with `lock` nobody else joins, removes or claims for it until the transaction ends."""
    query = sa.select(server_groups).where(server_groups.c.id == group_id)
    return tx.execute(query.with_for_update() if lock else query).mappings().one_or_none()


def insert_group(tx: Tx, values: Mapping[str, Any]) -> None:
    """Add a group."""
    tx.execute(server_groups.insert(), dict(values))


def delete_group(tx: Tx, group_id: str) -> None:
    """Remove a group; its members live on without it."""
    tx.execute(server_group_members.delete().where(server_group_members.c.group_id == group_id))
    tx.execute(server_groups.delete().where(server_groups.c.id == group_id))


def select_members(tx: Tx, group_ids: Iterable[str]) -> dict[str, list[str]]:
    """Read the ids of the members of some groups, oldest first: one statement."""
    query = (
        sa.select(server_group_members.c.group_id, server_group_members.c.server_id)
        .join(servers, servers.c.id == server_group_members.c.server_id)
        .where(server_group_members.c.group_id.in_(list(group_ids)), servers.c.state != "deleted")
        .order_by(servers.c.created_at, servers.c.launch_index, servers.c.id)
    )
    found: dict[str, list[str]] = {}
    for row in tx.execute(query):
        found.setdefault(row.group_id, []).append(row.server_id)
    return found


def count_members(tx: Tx, group_id: str, user_id: str) -> int:
    """Count the members of a group that a user made."""
    query = (
        sa.select(sa.func.count())
        .select_from(server_group_members.join(servers, servers.c.id == server_group_members.c.server_id))
        .where(server_group_members.c.group_id == group_id, servers.c.user_id == user_id, servers.c.state != "deleted")
    )
    return int(tx.execute(query).scalar_one())


def insert_members(tx: Tx, group_id: str, server_ids: Iterable[str]) -> None:
    """Have servers join a group."""
    tx.execute(server_group_members.insert(), [{"group_id": group_id, "server_id": one} for one in server_ids])


def delete_member(tx: Tx, server_id: str) -> None:
    """Have a server leave its group."""
    tx.execute(server_group_members.delete().where(server_group_members.c.server_id == server_id))


def group_of(tx: Tx, server_id: str) -> str | None:
    """Give the group that a server is in."""
    query = sa.select(server_group_members.c.group_id).where(server_group_members.c.server_id == server_id)
    return tx.execute(query).scalar_one_or_none()


def members_per_host(tx: Tx, group_id: str, *, besides: str) -> dict[str, int]:
    """Count the members of a group that hold room on each host, but for one server."""
    query = (
        sa.select(claims.c.host, sa.func.count(claims.c.server_id.distinct()).label("members"))
        .join(server_group_members, server_group_members.c.server_id == claims.c.server_id)
        .where(server_group_members.c.group_id == group_id, claims.c.server_id != besides)
        .group_by(claims.c.host)
    )
    return {row.host: int(row.members) for row in tx.execute(query)}


def hosts_of(tx: Tx, server_ids: Iterable[str], project_id: str) -> dict[str, str]:
    """Give the host on which each of a project's servers holds room; those without one are left out."""
    query = (
        sa.select(claims.c.server_id, claims.c.host)
        .join(servers, servers.c.id == claims.c.server_id)
        .where(claims.c.server_id.in_(list(server_ids)), servers.c.project_id == project_id, claims.c.role == "current")
    )
    return {row.server_id: row.host for row in tx.execute(query)}


def count_groups(tx: Tx, project_id: str) -> int:
    """Count a project's groups."""
    query = sa.select(sa.func.count()).select_from(server_groups).where(server_groups.c.project_id == project_id)
    return int(tx.execute(query).scalar_one())
