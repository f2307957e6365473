"""Queries on limits and usage of projects."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from nova_lite.db.engine import Tx
from nova_lite.db.tables.quota import quota_limits, quota_usage, quota_user_limits

DEFAULTS = "*"  # the row owner whose limits hold for every project without its own


def locked_usage(tx: Tx, project_id: str, resources: Iterable[str]) -> dict[str, int]:
    """Read what is used and keep others from changing it until the transaction ends; rows that are missing are left out.

    The rows come in one order, so that two transactions never wait for each other. SQLite has one writer anyway.
    """
    query = (
        sa.select(quota_usage.c.resource, quota_usage.c.used)
        .where(quota_usage.c.project_id == project_id, quota_usage.c.resource.in_(sorted(resources)))
        .order_by(quota_usage.c.resource)
        .with_for_update()
    )
    return {row.resource: row.used for row in tx.execute(query)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Standing:
    """What is used of a resource, and the limits that rows set: of the project (None: the built-in one), of one user."""

    used: int
    limit: int | None
    of_user: int | None


def locked_usage_and_limits(tx: Tx, project_id: str, resources: Iterable[str], user_id: str = "") -> dict[str, Standing]:
    """Read like `locked_usage`, with the limits of the project and of one of its users, in one statement."""
    limit = sa.func.coalesce(_limit(project_id), _limit(DEFAULTS))
    of_user = (
        sa.select(quota_user_limits.c.limit)
        .where(_of_user(project_id, user_id), quota_user_limits.c.resource == quota_usage.c.resource)
        .correlate(quota_usage)
        .scalar_subquery()
    )
    query = (
        sa.select(quota_usage.c.resource, quota_usage.c.used, limit.label("limit"), of_user.label("of_user"))
        .where(quota_usage.c.project_id == project_id, quota_usage.c.resource.in_(sorted(resources)))
        .order_by(quota_usage.c.resource)
        .with_for_update()
    )
    return {row.resource: Standing(used=row.used, limit=row.limit, of_user=row.of_user) for row in tx.execute(query)}


def _limit(owner: str) -> sa.ScalarSelect[Any]:
    return (
        sa.select(quota_limits.c.limit)
        .where(quota_limits.c.project_id == owner, quota_limits.c.resource == quota_usage.c.resource)
        .correlate(quota_usage)
        .scalar_subquery()
    )


def add_usage_rows(tx: Tx, project_id: str, resources: Iterable[str]) -> None:
    """Make usage rows at 0 where they are missing; others may do the same at the same moment."""
    rows = [{"project_id": project_id, "resource": resource, "used": 0} for resource in sorted(resources)]
    tx.execute(_insert_or_ignore(tx, quota_usage), rows)


def _insert_or_ignore(tx: Tx, table: sa.Table) -> sa.Insert:
    if tx.database.dialect == "mysql":
        return mysql.insert(table).prefix_with("IGNORE")
    if tx.database.dialect == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


def add_usage(tx: Tx, project_id: str, amounts: Mapping[str, int]) -> int:
    """Add to (or, below zero, take from) what is used, never under 0; gives how many rows there were. One statement."""
    added = quota_usage.c.used + sa.case(amounts, value=quota_usage.c.resource)
    change = (
        quota_usage.update()
        .where(quota_usage.c.project_id == project_id, quota_usage.c.resource.in_(list(amounts)))
        .values(used=sa.case((added < 0, 0), else_=added))
    )
    return tx.execute(change).rowcount


def set_usage(tx: Tx, project_id: str, resource: str, used: int) -> None:
    """Write what was counted."""
    change = quota_usage.update().where(quota_usage.c.project_id == project_id, quota_usage.c.resource == resource)
    tx.execute(change.values(used=used))


def select_usage(tx: Tx, project_id: str) -> dict[str, int]:
    """Read what a project uses."""
    query = sa.select(quota_usage.c.resource, quota_usage.c.used).where(quota_usage.c.project_id == project_id)
    return {row.resource: row.used for row in tx.execute(query)}


def select_projects(tx: Tx) -> list[str]:
    """List the projects that ever used something."""
    return list(tx.execute(sa.select(quota_usage.c.project_id).distinct()).scalars())


def select_limits(tx: Tx, project_id: str) -> dict[str, int]:
    """Read the limits that rows set for a project, its own before the general ones."""
    query = sa.select(quota_limits).where(quota_limits.c.project_id.in_([project_id, DEFAULTS]))
    rows = sorted(tx.execute(query).mappings(), key=lambda row: row["project_id"] != DEFAULTS)
    return {row["resource"]: row["limit"] for row in rows}


def put_limits(tx: Tx, project_id: str, limits: Mapping[str, int]) -> None:
    """Write limits of a project, in place of those it had for the same resources."""
    if not limits:
        return
    mine = quota_limits.c.project_id == project_id
    tx.execute(quota_limits.delete().where(mine, quota_limits.c.resource.in_(list(limits))))
    rows = [{"project_id": project_id, "resource": resource, "limit": limit} for resource, limit in limits.items()]
    tx.execute(quota_limits.insert(), rows)


def select_user_limits(tx: Tx, project_id: str, user_id: str) -> dict[str, int]:
    """Read the limits that one user of a project has."""
    query = sa.select(quota_user_limits.c.resource, quota_user_limits.c.limit).where(_of_user(project_id, user_id))
    return {row.resource: row.limit for row in tx.execute(query)}


def put_user_limits(tx: Tx, project_id: str, user_id: str, limits: Mapping[str, int]) -> None:
    """Write limits of one user of a project, in place of those they had for the same resources."""
    if not limits:
        return
    mine = _of_user(project_id, user_id)
    tx.execute(quota_user_limits.delete().where(mine, quota_user_limits.c.resource.in_(list(limits))))
    owner = {"project_id": project_id, "user_id": user_id}
    tx.execute(quota_user_limits.insert(), [owner | {"resource": name, "limit": limit} for name, limit in limits.items()])


def drop_user_limits(tx: Tx, project_id: str, user_id: str | None = None) -> None:
    """Forget the limits of one user of a project, or of all of them."""
    mine = quota_user_limits.c.project_id == project_id if user_id is None else _of_user(project_id, user_id)
    tx.execute(quota_user_limits.delete().where(mine))


def _of_user(project_id: str, user_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(quota_user_limits.c.project_id == project_id, quota_user_limits.c.user_id == user_id)


def drop_limits(tx: Tx, project_id: str) -> None:
    """Forget a project's own limits."""
    tx.execute(quota_limits.delete().where(quota_limits.c.project_id == project_id))
