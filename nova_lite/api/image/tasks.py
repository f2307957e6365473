"""Tasks: what imports were asked, and how they ended."""

from __future__ import annotations

import urllib.parse
from typing import Any

from nova_lite import errors
from nova_lite.api.image.filters import read_images_page, read_task_sort
from nova_lite.api.image.images import check_room, new_image
from nova_lite.api.image.imports import injected, target_format
from nova_lite.api.image.lookup import get_image
from nova_lite.api.image.schemas.images import CREATE
from nova_lite.api.image.views import tasks as views
from nova_lite.api.pages import cut, next_query
from nova_lite.api.route import Answer, Request
from nova_lite.api.validate import Schema
from nova_lite.db.engine import Tx
from nova_lite.db.image_tasks import TaskPage
from nova_lite.image import records, tasks
from nova_lite.image.web import check_url
from nova_lite.workflows import import_image
from nova_lite.workflows.import_image import ImportParams

PATH = "/v2/tasks"
NEW = Schema(CREATE, what="attribute")


def list_tasks(request: Request) -> Answer:
    """GET /tasks."""
    page = read_images_page(request)
    asked_for = TaskPage(equal=_wanted(request), sort=read_task_sort(request), marker=page.marker, limit=page.fetch)
    try:
        with request.parts.database.read() as tx:
            found = tasks.list_page(tx, asked_for)
    except errors.NotFound as error:
        raise errors.BadRequest("The marker is no task.") from error
    shown, more = cut(page, found)
    asked = [(name, value) for name, values in request.query.items() if name != "marker" for value in values]
    body: dict[str, Any] = {
        "tasks": [views.summary(task) for task in shown],
        "first": f"{PATH}?{urllib.parse.urlencode(asked)}" if asked else PATH,
        "schema": "/v2/schemas/tasks",
    }
    if more and shown:
        body["next"] = f"{PATH}?{next_query(request, shown[-1].id)}"
    return Answer(body=body)


def show_task(request: Request) -> Answer:
    """GET /tasks/{task_id}."""
    with request.parts.database.read() as tx:
        return Answer(body=views.task(tasks.get(tx, request.params["task_id"])))


def list_tasks_of_image(request: Request) -> Answer:
    """GET /images/{image_id}/tasks."""
    with request.parts.database.read() as tx:
        found = tasks.of_image(tx, get_image(tx, request).id)
    return Answer(body={"tasks": [views.task(task) for task in found]})


def create_task(request: Request) -> Answer:
    """POST /tasks: make an image of a file of a web server, in one request."""
    asked = request.body["input"]
    check_url(asked["import_from"], request.parts.images.web)
    properties = {"disk_format": asked["import_from_format"], **asked["image_properties"]}
    NEW.check(properties)
    image = new_image(request, properties)
    records.require_formats(image)
    params = ImportParams(
        image_id=image.id,
        store=request.parts.images.store.name,
        method="web-download",
        url=asked["import_from"],
        convert_to=target_format(request, image),
        task="import",
        inject=injected(request),
    )

    def work(tx: Tx) -> tasks.Task:
        check_room(tx, image)
        records.create(tx, image)
        return tasks.get(tx, import_image.accept(request.parts.desk, tx, request.context, image, params))

    made = request.parts.database.transact(work)
    return Answer(status=201, body=views.task(made), headers={"Location": f"{request.service_url}/tasks/{made.id}"})


def _wanted(request: Request) -> dict[str, str]:
    """Read the filters; what tasks do not have is left alone, as in Glance. Raises: BadRequest."""
    choices = {"status": tasks.STATUSES, "type": tasks.TYPES}
    wanted = {name: _one_of(request, name, choices[name]) for name in choices}
    wanted |= {name: request.first(name) for name in ("id", "owner", "user_id", "request_id", "image_id")}
    return {name: value for name, value in wanted.items() if value is not None}


def _one_of(request: Request, name: str, choices: Any) -> str | None:
    value = request.first(name)
    if value is not None and value not in choices:
        raise errors.BadRequest(f"Invalid value for {name}: must be one of {', '.join(choices)}.")
    return value
