"""Tags of projects."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable

from nova_lite import errors
from nova_lite.api.identity.acting import acted_on
from nova_lite.api.identity.schemas.projects import TAGS
from nova_lite.api.identity.views import records
from nova_lite.api.route import Answer, Request
from nova_lite.api.validate import Schema
from nova_lite.db import identity as db
from nova_lite.db.engine import Tx
from nova_lite.identity import immutable
from nova_lite.model.identity import Project

_TAGS = Schema(TAGS, what="tags")


def tags_of(project: Project) -> list[str]:
    """Give a project's tags, which are kept among its extra fields."""
    return list(project.extra.get("tags", ()))


def fits_tags(request: Request) -> Callable[[Project], bool] | None:
    """Read the filters `tags`, `tags-any`, `not-tags` and `not-tags-any`, if there are any: lists with commas, to fit all."""
    asked = {
        name: set(text.split(","))
        for name in ("tags", "tags-any", "not-tags", "not-tags-any")
        if (text := request.first(name)) is not None
    }

    if not asked:
        return None

    def fits(project: Project) -> bool:
        has = set(tags_of(project))
        return (
            ("tags" not in asked or asked["tags"] <= has)
            and ("tags-any" not in asked or bool(asked["tags-any"] & has))
            and ("not-tags" not in asked or not asked["not-tags"] <= has)
            and ("not-tags-any" not in asked or not asked["not-tags-any"] & has)
        )

    return fits


def _answer(request: Request, tags: list[str]) -> Answer:
    return Answer(body={"tags": tags, "links": records.links(request, f"/projects/{request.params['project_id']}/tags")})


def _change(request: Request, change: Callable[[list[str]], list[str]]) -> list[str]:
    """Replace a project's tags by what `change` makes of them. Raises: Forbidden, NotFound; BadRequest when they do not fit."""

    def work(tx: Tx) -> list[str]:
        project = db.PROJECTS.hold(tx, acted_on(request, tx).id)
        immutable.check_change(project.extra, {"tags": []}, "project")
        tags = change(tags_of(project))
        _TAGS.check(tags)
        db.PROJECTS.update(tx, project.id, extra=project.extra | {"tags": tags})
        return tags

    return request.parts.database.transact(work)


def list_tags(request: Request) -> Answer:
    """GET /projects/{project_id}/tags."""
    with request.parts.database.read() as tx:
        return _answer(request, tags_of(acted_on(request, tx)))


def replace_tags(request: Request) -> Answer:
    """PUT /projects/{project_id}/tags."""
    fresh = [tag.strip() for tag in request.body["tags"]]
    return _answer(request, _change(request, lambda tags: fresh))


def delete_tags(request: Request) -> Answer:
    """DELETE /projects/{project_id}/tags."""
    _change(request, lambda tags: [])
    return Answer(status=204)


def show_tag(request: Request) -> Answer:
    """GET and HEAD /projects/{project_id}/tags/{value}: no body. Raises: NotFound when the project has no such tag."""
    with request.parts.database.read() as tx:
        if request.params["value"] not in tags_of(acted_on(request, tx)):
            raise errors.NotFound("Could not find project tag.")
    return Answer(status=204)


def add_tag(request: Request) -> Answer:
    """PUT /projects/{project_id}/tags/{value}. Raises: BadRequest when the project has it already, or too many."""
    value = request.params["value"].strip()
    _change(request, lambda tags: [*tags, value])
    address = f"{request.service_url}/projects/{request.params['project_id']}/tags/{urllib.parse.quote(value, safe='')}"
    return Answer(status=201, headers={"Location": address})


def delete_tag(request: Request) -> Answer:
    """DELETE /projects/{project_id}/tags/{value}. Raises: NotFound when the project has no such tag."""
    value = request.params["value"]

    def without(tags: list[str]) -> list[str]:
        if value not in tags:
            raise errors.NotFound("Could not find project tag.")
        return [tag for tag in tags if tag != value]

    _change(request, without)
    return Answer(status=204)
