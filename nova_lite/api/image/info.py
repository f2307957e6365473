"""What clients ask about the service: schemas, stores, ways of import."""

from __future__ import annotations

from typing import Any

from nova_lite.api.image.imports import methods_now
from nova_lite.api.image.schemas.images import image_schema
from nova_lite.api.image.schemas.members import member_schema
from nova_lite.api.image.schemas.tasks import task_schema
from nova_lite.api.route import Answer, Request
from nova_lite.image import quotas
from nova_lite.quota.limits import UNLIMITED


def show_image_schema(_request: Request) -> Answer:
    """GET /schemas/image."""
    return Answer(body=image_schema())


def show_images_schema(_request: Request) -> Answer:
    """GET /schemas/images."""
    links = [{"rel": rel, "href": f"{{{name}}}"} for rel, name in (("first", "first"), ("next", "next"))]
    body = _list_schema("images", image_schema(), {"first": {"type": "string"}, "next": {"type": "string"}})
    return Answer(body={**body, "links": [*links, {"rel": "describedby", "href": "{schema}"}]})


def show_member_schema(_request: Request) -> Answer:
    """GET /schemas/member."""
    return Answer(body=member_schema())


def show_members_schema(_request: Request) -> Answer:
    """GET /schemas/members."""
    body = _list_schema("members", member_schema(), {})
    return Answer(body={**body, "links": [{"rel": "describedby", "href": "{schema}"}]})


def show_import(request: Request) -> Answer:
    """GET /info/import."""
    with request.parts.database.read() as tx:
        names = methods_now(tx, request.parts.images.web)
    offered = {"description": "Import methods available.", "type": "array", "value": names}
    return Answer(body={"import-methods": offered})


def show_usage(request: Request) -> Answer:
    """GET /info/usage, of the token's project; nothing where it is for none."""
    project = request.context.project_id
    if project is None:
        return Answer(body={"usage": {}})
    with request.parts.database.read() as tx:
        limits, used = quotas.limits_of(tx, project), quotas.usage_of(tx, project)
        counted = quotas.monitored(tx, project, request.parts.images.store.writable())
    usage = {name: {"limit": limits[name], "usage": used[name]} for name in limits}
    usage |= {name: {"limit": UNLIMITED, "usage": amount} for name, amount in counted.items()}
    return Answer(body={"usage": usage})


def show_task_schema(_request: Request) -> Answer:
    """GET /schemas/task."""
    return Answer(body=task_schema())


def show_tasks_schema(_request: Request) -> Answer:
    """GET /schemas/tasks."""
    paging = {name: {"type": "string"} for name in ("first", "next")}
    links = [{"rel": rel, "href": f"{{{rel}}}"} for rel in paging]
    body = _list_schema("tasks", task_schema(), paging)
    return Answer(body={**body, "links": [*links, {"rel": "describedby", "href": "{schema}"}]})


def _list_schema(name: str, item: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    properties = {name: {"type": "array", "items": item}, **more, "schema": {"type": "string"}}
    return {"name": name, "properties": properties}
