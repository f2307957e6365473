"""Projects."""

from __future__ import annotations

from nova_lite import errors
from nova_lite.api.identity.columns import merged, split
from nova_lite.api.identity.lists import answer_list, exact, flag
from nova_lite.api.identity.users import own_domain
from nova_lite.api.identity.views import records
from nova_lite.api.route import Answer, Request
from nova_lite.db import identity as db
from nova_lite.db.engine import Tx
from nova_lite.identity import projects
from nova_lite.model.identity import ROOT, Project

COLUMNS = ("name", "domain_id", "parent_id", "is_domain", "description", "enabled")
FIXED = ("domain_id", "parent_id", "is_domain")


def list_projects(request: Request) -> Answer:
    """GET /projects, with filters; domains only with `is_domain`."""
    equal = exact(request, "name", "domain_id", "parent_id")
    with request.parts.database.read() as tx:
        found = db.PROJECTS.list_by(tx, **equal, is_domain=bool(flag(request, "is_domain")))
    return answer_list(request, "projects", [records.project(request, project) for project in found])


def show_project(request: Request) -> Answer:
    """GET /projects/{project_id}."""
    project_id = request.params["project_id"]
    request.enforce(target={"target.project.id": project_id})
    with request.parts.database.read() as tx:
        return Answer(body={"project": records.project(request, projects.get_project(tx, project_id))})


def create_project(request: Request) -> Answer:
    """POST /projects."""
    columns, extra = split(request.body["project"], COLUMNS)
    if columns.get("is_domain"):
        columns |= {"domain_id": ROOT, "parent_id": None}
    else:
        columns["domain_id"] = columns.get("domain_id") or own_domain(request)
        columns["parent_id"] = columns.get("parent_id") or columns["domain_id"]
    database = request.parts.database
    project = Project(id=projects.new_id(), created_at=database.clock.wall(), extra=merged({}, extra), **columns)
    database.transact(lambda tx: projects.create(tx, project))
    return Answer(status=201, body={"project": records.project(request, project)})


def update_project(request: Request) -> Answer:
    """PATCH /projects/{project_id}."""
    columns, extra = split(request.body["project"], COLUMNS)

    def work(tx: Tx) -> Project:
        project = projects.get_project(tx, request.params["project_id"])
        fixed = {name: columns.pop(name) for name in FIXED if name in columns}
        if any((value or None) != (getattr(project, name) or None) for name, value in fixed.items()):
            raise errors.Forbidden("A project's domain and parent cannot change.")
        return projects.update(tx, project, columns | {"extra": merged(project.extra, extra)})

    changed = request.parts.database.transact(work)
    request.parts.identity.tokens.catch_up()
    return Answer(body={"project": records.project(request, changed)})


def delete_project(request: Request) -> Answer:
    """DELETE /projects/{project_id}."""
    request.parts.database.transact(lambda tx: projects.delete_project(tx, request.params["project_id"]))
    request.parts.identity.tokens.catch_up()
    return Answer(status=204)
