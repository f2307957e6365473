"""Queries on flavors and on the projects that may use private ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from nova_lite import errors
from nova_lite.db.engine import Tx
from nova_lite.db.tables.servers import flavor_access, flavors

Row = sa.RowMapping
SORT_KEYS: Mapping[str, sa.ColumnElement[Any]] = {
    "flavorid": flavors.c.id,
    "id": flavors.c.id,
    "name": flavors.c.name,
    "memory_mb": flavors.c.ram_mib,
    "vcpus": flavors.c.vcpus,
    "root_gb": flavors.c.disk_gib,
    "ephemeral_gb": flavors.c.ephemeral_gib,
    "swap": flavors.c.swap_mib,
    "rxtx_factor": flavors.c.rxtx_factor,
    "is_public": sa.case((flavors.c.is_public, 1), else_=0),
    "disabled": sa.case((flavors.c.disabled, 1), else_=0),
    "created_at": flavors.c.created_at,
    "updated_at": sa.func.coalesce(flavors.c.updated_at, 0.0),
}


def find_flavor(tx: Tx, flavor_id: str, *, seen_by: str | None = None) -> Row | None:
    """Read a flavor; with `seen_by` only if that project may use it."""
    query = sa.select(flavors).where(flavors.c.id == flavor_id)
    if seen_by is not None:
        query = query.where(_seen_by(seen_by))
    return tx.execute(query).mappings().one_or_none()


def list_flavors(
    tx: Tx,
    *,
    seen_by: str | None = None,
    equal: Mapping[str, Any] | None = None,
    at_least: Mapping[str, int] | None = None,
    sort: tuple[str, bool] = ("flavorid", False),
    marker: str | None = None,
    limit: int | None = None,
) -> Sequence[Row]:
    """Read a page of flavors. Raises: NotFound when the marker is none."""
    query = sa.select(flavors)
    if seen_by is not None:
        query = query.where(_seen_by(seen_by))
    for name, value in (equal or {}).items():
        query = query.where(flavors.c[name] == value)
    for name, least in (at_least or {}).items():
        query = query.where(flavors.c[name] >= least)
    key, down = SORT_KEYS[sort[0]], sort[1]
    if marker is not None:
        query = query.where(_after(tx, key, marker, down=down))
    query = query.order_by(key.desc() if down else key.asc(), flavors.c.id.desc() if down else flavors.c.id.asc())
    return tx.execute(query.limit(limit) if limit is not None else query).mappings().all()


def _seen_by(project_id: str) -> sa.ColumnElement[bool]:
    mine = sa.exists().where(flavor_access.c.flavor_id == flavors.c.id, flavor_access.c.project_id == project_id)
    return sa.or_(flavors.c.is_public, mine.correlate(flavors))


def _after(tx: Tx, key: sa.ColumnElement[Any], marker: str, *, down: bool) -> sa.ColumnElement[bool]:
    value = tx.execute(sa.select(key).where(flavors.c.id == marker)).one_or_none()
    if value is None:
        raise errors.NotFound(f"The marker {marker} is no flavor.")
    if down:
        return sa.or_(key < value[0], sa.and_(key == value[0], flavors.c.id < marker))
    return sa.or_(key > value[0], sa.and_(key == value[0], flavors.c.id > marker))


def insert_flavor(tx: Tx, values: Mapping[str, Any]) -> None:
    """Add a flavor. Raises: Conflict when its id or name is taken."""
    taken = sa.select(flavors.c.id).where(sa.or_(flavors.c.id == values["id"], flavors.c.name == values["name"]))
    try:
        if tx.execute(taken).first() is None:
            tx.execute(flavors.insert(), dict(values))
            return
    except exc.IntegrityError as error:
        raise errors.Conflict(f"There is a flavor of the name {values['name']} or the id {values['id']} already.") from error
    raise errors.Conflict(f"There is a flavor of the name {values['name']} or the id {values['id']} already.")


def update_flavor(tx: Tx, flavor_id: str, **values: Any) -> bool:
    """Change columns; False when there is no such flavor."""
    return tx.execute(flavors.update().where(flavors.c.id == flavor_id).values(**values)).rowcount == 1


def delete_flavor(tx: Tx, flavor_id: str) -> bool:
    """Remove a flavor and its access list; servers keep their copies."""
    tx.execute(flavor_access.delete().where(flavor_access.c.flavor_id == flavor_id))
    return tx.execute(flavors.delete().where(flavors.c.id == flavor_id)).rowcount == 1


def list_access(tx: Tx, flavor_id: str) -> list[str]:
    """List the projects that may use a private flavor."""
    query = sa.select(flavor_access.c.project_id).where(flavor_access.c.flavor_id == flavor_id)
    return list(tx.execute(query.order_by(flavor_access.c.project_id)).scalars())


def add_access(tx: Tx, flavor_id: str, project_id: str) -> None:
    """Let a project use a flavor."""
    tx.execute(flavor_access.insert(), {"flavor_id": flavor_id, "project_id": project_id})


def remove_access(tx: Tx, flavor_id: str, project_id: str) -> bool:
    """Take the use of a flavor away; False when it had none."""
    mine = sa.and_(flavor_access.c.flavor_id == flavor_id, flavor_access.c.project_id == project_id)
    return tx.execute(flavor_access.delete().where(mine)).rowcount == 1
