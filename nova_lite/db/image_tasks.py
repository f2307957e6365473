"""Queries on tasks of images: imports among the operations, in any order, by what a task shows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from nova_lite import errors
from nova_lite.db.engine import Tx
from nova_lite.db.tables.journal import operations

Row = sa.RowMapping
WORKFLOW = "import_image"
FROM_TASKS, FROM_IMAGES, FROM_LOCATIONS = "import", "api_image_import", "location_import"

_ALIVE = operations.c.ended_at.is_(None)
# Parameters are compact JSON, in which no value can hold an unescaped quote.
_PARAMS = sa.type_coerce(operations.c.params, sa.Text)
_ASKED_AS_TASK = _PARAMS.contains(f'"task":"{FROM_TASKS}"', autoescape=True)
_ASKED_AS_LOCATION = _PARAMS.contains(f'"task":"{FROM_LOCATIONS}"', autoescape=True)
_STATUS = sa.case(
    (sa.and_(_ALIVE, operations.c.lease_number == 0), "pending"),
    (_ALIVE, "processing"),
    (operations.c.outcome == "done", "success"),
    else_="failure",
)
# What tasks show -> where it stands. Nothing here is NULL, so that a marker can be compared with it.
FIELDS: Mapping[str, sa.ColumnElement[Any]] = {
    "id": operations.c.id,
    "type": sa.case((_ASKED_AS_TASK, FROM_TASKS), (_ASKED_AS_LOCATION, FROM_LOCATIONS), else_=FROM_IMAGES),
    "status": _STATUS,
    "owner": sa.func.coalesce(operations.c.project_id, ""),
    "user_id": sa.func.coalesce(operations.c.user_id, ""),
    "request_id": sa.func.coalesce(operations.c.request_id, ""),
    "image_id": operations.c.subject_id,
    "created_at": operations.c.started_at,
    "updated_at": sa.func.coalesce(operations.c.ended_at, operations.c.started_at),
    "expires_at": sa.func.coalesce(operations.c.ended_at, -1.0),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaskPage:
    """Which tasks, in what order: `equal` and `sort` name fields of tasks; True sorts downwards."""

    limit: int
    equal: Mapping[str, str] = dataclasses.field(default_factory=dict)
    sort: tuple[tuple[str, bool], ...] = (("created_at", True), ("id", True))
    marker: str | None = None


def list_tasks(tx: Tx, page: TaskPage) -> Sequence[Row]:
    """Read a page of rows. Raises: NotFound when the marker is no task."""
    query = sa.select(operations).where(operations.c.workflow == WORKFLOW)
    query = query.where(*(FIELDS[name] == value for name, value in page.equal.items()))
    if page.marker is not None:
        query = query.where(_after(tx, page))
    ordered = query.order_by(*(FIELDS[name].desc() if down else FIELDS[name].asc() for name, down in page.sort))
    return tx.execute(ordered.limit(page.limit)).mappings().all()


def _after(tx: Tx, page: TaskPage) -> sa.ColumnElement[bool]:
    """What comes behind the marker."""
    marked = sa.select(*(FIELDS[name] for name, _ in page.sort))
    found = tx.execute(marked.where(operations.c.id == page.marker, operations.c.workflow == WORKFLOW)).one_or_none()
    if found is None:
        raise errors.NotFound("The marker is no task.")
    behind: sa.ColumnElement[bool] = sa.false()
    for (name, down), value in reversed(list(zip(page.sort, found, strict=True))):
        field = FIELDS[name]
        behind = sa.or_(field < value if down else field > value, sa.and_(field == value, behind))
    return behind
