"""Tasks: imports as Glance's tasks API tells of them. They are read from the journal, where they stay for 30 days."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from nova_lite import errors
from nova_lite.db import journal as queries
from nova_lite.db.engine import Tx
from nova_lite.db.image_tasks import FROM_IMAGES, FROM_LOCATIONS, FROM_TASKS, WORKFLOW, TaskPage, list_tasks
from nova_lite.image import notices

SUBJECT = "image"
KEPT_S = 30 * 86400.0  # as the history of operations
STATUSES = ("pending", "processing", "success", "failure")
TYPES = (FROM_TASKS, FROM_IMAGES, FROM_LOCATIONS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """An import. Times are wall clock; `expires_at` is None while it runs; `input` is what was asked."""

    id: str
    type: str
    status: str
    owner: str | None
    user_id: str | None
    request_id: str | None
    image_id: str
    message: str
    input: Mapping[str, Any]
    created_at: float
    updated_at: float
    expires_at: float | None


def get(tx: Tx, task_id: str) -> Task:
    """Read a task. Raises: NotFound."""
    return _of_row(_row(tx, task_id))


def list_page(tx: Tx, page: TaskPage) -> list[Task]:
    """Read a page of tasks. Raises: NotFound when the marker is none."""
    return [_of_row(row) for row in list_tasks(tx, page)]


def of_image(tx: Tx, image_id: str) -> list[Task]:
    """List the tasks of an image, newest first."""
    return [_of_row(row) for row in queries.history(tx, SUBJECT, image_id) if row["workflow"] == WORKFLOW]


def announce(tx: Tx, task_id: str, *events: str, status: str) -> None:
    """Tell other services what became of a task: `create`, `run`, `success`, `failure`. Of its input nothing is told."""
    row = queries.operation(tx, task_id) if tx.database.announces else None
    if row is None:
        return
    task = _of_row(row)
    payload = {
        **{"id": task.id, "type": task.type, "status": status, "result": None, "owner": task.owner, "message": None},
        "expires_at": notices.time(task.expires_at),
        "created_at": notices.time(task.created_at),
        "updated_at": notices.time(tx.database.clock.wall()),
        **notices.LIVES,
    }
    notices.write_all(tx, [(f"task.{event}", payload) for event in events])


def _row(tx: Tx, task_id: str) -> queries.Row:
    row = queries.operation(tx, task_id)
    if row is None or row["workflow"] != WORKFLOW:
        raise errors.NotFound(f"No task found with ID {task_id[:64]}")
    return row


def _of_row(row: queries.Row) -> Task:
    params, ended = row["params"], row["ended_at"]
    asked = {
        "import_req": {"method": {"name": params["method"]}},
        "image_id": params["image_id"],
        "backend": [params["store"], *params.get("others", ())],
    }
    if params.get("remote"):
        asked["import_req"]["method"] |= params["remote"]
    elif params.get("url"):
        asked["import_req"]["method"]["uri"] = params["url"]
    return Task(
        id=row["id"],
        type=params["task"],
        status=_status(row),
        owner=row["project_id"],
        user_id=row["user_id"],
        request_id=row["request_id"],
        image_id=params["image_id"],
        message=row["message"] or "",
        input=asked,
        created_at=row["started_at"],
        updated_at=ended or row["started_at"],
        expires_at=None if ended is None else ended + KEPT_S,
    )


def _status(row: queries.Row) -> str:
    if row["ended_at"] is None:
        return "processing" if row["lease_number"] else "pending"
    return "success" if row["outcome"] == "done" else "failure"
