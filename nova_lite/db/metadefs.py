"""Queries on metadata definitions: namespaces, what stands in them, resource types and associations."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from nova_lite.db.engine import Overtaken, Tx
from nova_lite.db.tables.metadefs import (
    metadef_associations,
    metadef_entries,
    metadef_namespaces,
    metadef_resource_types,
)

Row = sa.RowMapping
# What lists may sort by; NULLs are made the lowest value, so that a marker can be compared with them.
NAMESPACE_KEYS: Mapping[str, sa.ColumnElement[Any]] = {
    **{name: metadef_namespaces.c[name] for name in ("namespace", "visibility", "created_at", "updated_at")},
    **{name: sa.func.coalesce(metadef_namespaces.c[name], "") for name in ("display_name", "description", "owner")},
    "protected": sa.case((metadef_namespaces.c.protected, 1), else_=0),  # a number: truth values are not compared by < and >
}
ENTRY_KEYS: Mapping[str, sa.ColumnElement[Any]] = {
    name: metadef_entries.c[name] for name in ("name", "created_at", "updated_at")
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Page:
    """How a list is cut: a sort key and its direction (then by name), the name the page follows, how many."""

    sort: str = "created_at"
    down: bool = True
    marker: str | None = None
    limit: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class NamespaceFilter:
    """Which namespaces a list has; what is None or empty does not matter."""

    project_id: str | None = None
    sees_all: bool = False
    visibility: str | None = None
    resource_types: tuple[str, ...] = ()


def find_namespace(tx: Tx, name: str, *, lock: bool = False) -> Row | None:
    """Read a namespace; with `lock` nobody else changes it, or anything in it, before the transaction ends."""
    query = sa.select(metadef_namespaces).where(metadef_namespaces.c.namespace == name)
    return tx.execute(query.with_for_update() if lock else query).mappings().one_or_none()


def insert_namespace(tx: Tx, values: Mapping[str, Any]) -> None:
    """Add a namespace. Raises: Overtaken when its name was taken a moment ago."""
    _insert(tx, metadef_namespaces, values)


def update_namespace(tx: Tx, namespace_id: str, values: Mapping[str, Any]) -> None:
    """Change columns of a namespace. Raises: Overtaken when its new name was taken a moment ago."""
    try:
        tx.execute(metadef_namespaces.update().where(metadef_namespaces.c.id == namespace_id).values(**values))
    except exc.IntegrityError as error:
        raise Overtaken from error


def delete_namespace(tx: Tx, namespace_id: str) -> None:
    """Remove a namespace with all that is in it."""
    tx.execute(metadef_namespaces.delete().where(metadef_namespaces.c.id == namespace_id))


def list_namespaces(tx: Tx, wanted: NamespaceFilter, page: Page) -> Sequence[Row] | None:
    """Read a page of namespaces; None when the marker is none that may be seen."""
    name = metadef_namespaces.c.namespace
    seen = [] if wanted.sees_all else [_visible(wanted.project_id)]
    conditions = [*seen, *_conditions(wanted)]
    return _page(tx, sa.select(metadef_namespaces).where(*conditions), NAMESPACE_KEYS, page, name, seen)


def list_entries(tx: Tx, namespace_id: str, kind: str, page: Page) -> Sequence[Row] | None:
    """Read a page of a namespace's objects, properties or tags; None when the marker is none of them."""
    ours = [metadef_entries.c.namespace_id == namespace_id, metadef_entries.c.kind == kind]
    return _page(tx, sa.select(metadef_entries).where(*ours), ENTRY_KEYS, page, metadef_entries.c.name, ours)


def find_entry(tx: Tx, namespace_id: str, kind: str, name: str) -> Row | None:
    """Read an object, property or tag."""
    return tx.execute(sa.select(metadef_entries).where(*_entry(namespace_id, kind, name))).mappings().one_or_none()


def names_of_entries(tx: Tx, namespace_id: str, kind: str) -> set[str]:
    """List the names of a namespace's objects, properties or tags."""
    where = (metadef_entries.c.namespace_id == namespace_id, metadef_entries.c.kind == kind)
    return set(tx.execute(sa.select(metadef_entries.c.name).where(*where)).scalars())


def insert_entries(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add objects, properties or tags. Raises: Overtaken."""
    if rows:
        _insert(tx, metadef_entries, list(rows))


def update_entry(tx: Tx, namespace_id: str, kind: str, name: str, values: Mapping[str, Any]) -> None:
    """Change an object, property or tag, its name too."""
    tx.execute(metadef_entries.update().where(*_entry(namespace_id, kind, name)).values(**values))


def delete_entry(tx: Tx, namespace_id: str, kind: str, name: str) -> bool:
    """Remove one; tell whether there was one."""
    return tx.execute(metadef_entries.delete().where(*_entry(namespace_id, kind, name))).rowcount == 1


def delete_entries(tx: Tx, namespace_id: str, kind: str) -> None:
    """Remove all of a kind from a namespace."""
    where = (metadef_entries.c.namespace_id == namespace_id, metadef_entries.c.kind == kind)
    tx.execute(metadef_entries.delete().where(*where))


def list_resource_types(tx: Tx) -> Sequence[Row]:
    """Read every resource type, by name."""
    return tx.execute(sa.select(metadef_resource_types).order_by(metadef_resource_types.c.name)).mappings().all()


def ensure_resource_type(tx: Tx, name: str, now: float) -> None:
    """Add a resource type that is not there. Raises: Overtaken."""
    known = sa.select(metadef_resource_types.c.name).where(metadef_resource_types.c.name == name)
    if tx.execute(known).one_or_none() is None:
        _insert(tx, metadef_resource_types, {"name": name, "created_at": now, "updated_at": now})


def associations_of(tx: Tx, namespace_ids: Collection[str]) -> dict[str, list[Row]]:
    """Give the associations of some namespaces, by name of the resource type."""
    if not namespace_ids:
        return {}
    ours = metadef_associations.c.namespace_id.in_(namespace_ids)
    found: dict[str, list[Row]] = {}
    for row in tx.execute(sa.select(metadef_associations).where(ours).order_by(metadef_associations.c.name)).mappings():
        found.setdefault(row["namespace_id"], []).append(row)
    return found


def insert_association(tx: Tx, values: Mapping[str, Any]) -> None:
    """Add an association. Raises: Overtaken."""
    _insert(tx, metadef_associations, values)


def delete_association(tx: Tx, namespace_id: str, name: str) -> bool:
    """Remove an association; tell whether there was one."""
    where = (metadef_associations.c.namespace_id == namespace_id, metadef_associations.c.name == name)
    return tx.execute(metadef_associations.delete().where(*where)).rowcount == 1


def delete_associations(tx: Tx, namespace_id: str) -> None:
    """Remove all associations of a namespace; the resource types stay."""
    tx.execute(metadef_associations.delete().where(metadef_associations.c.namespace_id == namespace_id))


def any_namespace(tx: Tx) -> bool:
    """Tell whether there is a namespace at all."""
    return tx.execute(sa.select(metadef_namespaces.c.id).limit(1)).one_or_none() is not None


def _entry(namespace_id: str, kind: str, name: str) -> tuple[sa.ColumnElement[bool], ...]:
    columns = metadef_entries.c
    return columns.namespace_id == namespace_id, columns.kind == kind, columns.name == name


def _insert(tx: Tx, table: sa.Table, values: Any) -> None:
    try:
        tx.execute(table.insert(), values)
    except exc.IntegrityError as error:
        raise Overtaken from error


def _visible(project_id: str | None) -> sa.ColumnElement[bool]:
    columns = metadef_namespaces.c
    own = columns.owner == project_id if project_id is not None else sa.false()
    return sa.or_(columns.visibility == "public", own)


def _conditions(wanted: NamespaceFilter) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if wanted.visibility is not None:
        found.append(metadef_namespaces.c.visibility == wanted.visibility)
    if wanted.resource_types:
        meant = sa.exists().where(metadef_associations.c.namespace_id == metadef_namespaces.c.id)
        found.append(meant.where(metadef_associations.c.name.in_(wanted.resource_types)))
    return found


def _page(
    tx: Tx,
    query: sa.Select[Any],
    keys: Mapping[str, sa.ColumnElement[Any]],
    page: Page,
    name: sa.ColumnElement[str],
    seen: Sequence[sa.ColumnElement[bool]],
) -> Sequence[Row] | None:
    """Read a page: sorted, then by name; None when no row of those that may be `seen` has the marker's name."""
    key = keys[page.sort]
    if page.marker is not None:
        value = tx.execute(sa.select(key).where(name == page.marker, *seen)).scalar_one_or_none()
        if value is None:
            return None
        query = query.where(sa.or_(key < value if page.down else key > value, sa.and_(key == value, name > page.marker)))
    query = query.order_by(key.desc() if page.down else key.asc(), name.asc())
    return tx.execute(query.limit(page.limit)).mappings().all()
