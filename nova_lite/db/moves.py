"""Queries on the records of moves."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from nova_lite.db.engine import Tx
from nova_lite.db.tables.moves import migrations
from nova_lite.db.tables.servers import servers

Row = sa.RowMapping


@dataclasses.dataclass(frozen=True, kw_only=True)
class MigrationFilter:
    """Which moves a list has; what is None does not matter. `host` is either end, `hidden` ones there are none."""

    server_id: str | None = None
    host: str | None = None
    source: str | None = None
    status: str | None = None
    type: str | None = None
    user_id: str | None = None
    project_id: str | None = None
    changed_since: float | None = None
    changed_before: float | None = None
    statuses: Collection[str] | None = None


def insert_migration(tx: Tx, values: Mapping[str, Any]) -> int:
    """Add a row; give its number."""
    (number,) = tx.execute(migrations.insert().values(**values)).inserted_primary_key or (0,)
    return int(number)


def update_migration(tx: Tx, migration_id: int, values: Mapping[str, Any], unless: Collection[str] = ()) -> bool:
    """Change columns of a row whose status is none of `unless`; tell whether it did."""
    change = migrations.update().where(migrations.c.id == migration_id)
    if unless:
        change = change.where(migrations.c.status.not_in(unless))
    return tx.execute(change.values(**values)).rowcount == 1


def select_migrations(tx: Tx, wanted: MigrationFilter, *, limit: int | None = None, marker: str | None = None) -> Sequence[Row]:
    """Read rows, newest first; those behind the one whose uuid is `marker`."""
    query = sa.select(migrations).where(*_conditions(wanted)).order_by(migrations.c.created_at.desc(), migrations.c.id.desc())
    if marker is not None:
        marked = sa.select(migrations.c.created_at, migrations.c.id).where(migrations.c.uuid == marker)
        found = tx.execute(marked).one_or_none()
        if found is None:
            return ()
        older = sa.and_(migrations.c.created_at == found.created_at, migrations.c.id < found.id)
        query = query.where(sa.or_(migrations.c.created_at < found.created_at, older))
    if limit is not None:
        query = query.limit(limit)
    return tx.execute(query).mappings().all()


def find_migration(tx: Tx, *, number: int | None = None, uuid: str | None = None) -> Row | None:
    """Read one row, by its number or its uuid."""
    named = migrations.c.id == number if number is not None else migrations.c.uuid == uuid
    return tx.execute(sa.select(migrations).where(named)).mappings().one_or_none()


def waiting_since(tx: Tx, before: float, limit: int, user_id: str | None = None) -> Sequence[str]:
    """List the servers that wait to have a resize confirmed since before that wall time, begun by one user or anybody."""
    query = (
        sa.select(migrations.c.server_id)
        .join(servers, servers.c.id == migrations.c.server_id)
        .where(migrations.c.status == "finished", migrations.c.updated_at <= before, servers.c.state == "resized")
        .order_by(migrations.c.updated_at)
        .limit(limit)
    )
    if user_id is not None:
        query = query.where(migrations.c.user_id == user_id)
    return [str(found) for found in tx.execute(query).scalars()]


def _conditions(wanted: MigrationFilter) -> list[sa.ColumnElement[bool]]:
    columns = ("server_id", "source", "status", "type", "user_id", "project_id")
    found = [migrations.c[name] == getattr(wanted, name) for name in columns if getattr(wanted, name) is not None]
    if wanted.host is not None:
        found.append(sa.or_(migrations.c.source == wanted.host, migrations.c.dest == wanted.host))
    if wanted.statuses is not None:
        found.append(migrations.c.status.in_(wanted.statuses))
    if wanted.changed_since is not None:
        found.append(migrations.c.updated_at >= wanted.changed_since)
    if wanted.changed_before is not None:
        found.append(migrations.c.updated_at <= wanted.changed_before)
    return found
