"""Projects."""

from __future__ import annotations

from typing import Any

from nova_lite import errors
from nova_lite.api.identity import targets
from nova_lite.api.identity.acting import acted_on
from nova_lite.api.identity.columns import check_id, merged, split
from nova_lite.api.identity.lists import answer_rows, exact, flag, own_domain_only
from nova_lite.api.identity.tags import fits_tags
from nova_lite.api.identity.users import own_domain
from nova_lite.api.identity.views import limits as limit_views
from nova_lite.api.identity.views import records
from nova_lite.api.route import Answer, Request
from nova_lite.db import hierarchy
from nova_lite.db import identity as db
from nova_lite.db import limits as limits_db
from nova_lite.db.engine import Tx
from nova_lite.identity import immutable, projects, roles
from nova_lite.model.identity import ROOT, Project

COLUMNS = ("name", "domain_id", "parent_id", "is_domain", "description", "enabled")
FIXED = ("domain_id", "parent_id", "is_domain")


def list_projects(request: Request) -> Answer:
    """GET /projects, with filters; domains only with `is_domain`, and with a token of a domain its projects only."""
    request.enforce(target=targets.own_domain(request))
    equal = own_domain_only(request, exact(request, "name", "domain_id", "parent_id"))
    equal["is_domain"] = bool(flag(request, "is_domain"))
    return answer_rows(request, "projects", db.PROJECTS, equal, records.project, fits=fits_tags(request))


def show_project(request: Request) -> Answer:
    """GET /projects/{project_id}; what it is in and what is in it, if asked."""
    with request.parts.database.read() as tx:
        project = acted_on(request, tx)
        view = records.project(request, project) | _relatives(request, tx, project)
    return Answer(body={"project": view})


def _relatives(request: Request, tx: Tx, project: Project) -> dict[str, Any]:
    """Give `parents` and `subtree`: as lists of what the caller has a role in, or as trees of ids.

    Raises: BadRequest when one is asked for in both ways.
    """
    found: dict[str, Any] = {}
    for noun, read in (("parents", hierarchy.parents), ("subtree", _subtree)):
        as_list, as_ids = bool(flag(request, f"{noun}_as_list")), bool(flag(request, f"{noun}_as_ids"))
        if as_list and as_ids:
            raise errors.BadRequest(f"Ask for {noun}_as_list or for {noun}_as_ids, not for both.")
        if as_list:
            mine = {each.id for each in roles.projects_of(tx, str(request.context.user_id), disabled_too=True)}
            shown = [each for each in read(tx, project) if each.id in mine]
            limits = _limits(request, tx, shown) if flag(request, "include_limits") else {}
            found[noun] = [{"project": records.project(request, each) | limits.get(each.id, {})} for each in shown]
        elif as_ids:
            found[noun] = _ids_above(read(tx, project)) if noun == "parents" else _ids_below(project.id, read(tx, project))
    return found


def _limits(request: Request, tx: Tx, projects_: list[Project]) -> dict[str, dict[str, Any]]:
    """Give the field `limits` of projects, by id, for `include_limits`. A fixed number of statements for 500 of them."""
    found: dict[str, list[dict[str, Any]]] = {each.id: [] for each in projects_}
    registered = {each.id: each for each in limits_db.REGISTERED.list_by(tx)}
    for part in hierarchy.chunks(found):
        for limit in limits_db.LIMITS.list_by(tx, project_id=part):
            view = limit_views.limit(request, limit, registered[limit.registered_limit_id])
            found[str(limit.project_id)].append(view)
    return {project_id: {"limits": views} for project_id, views in found.items()}


def _subtree(tx: Tx, project: Project) -> list[Project]:
    return hierarchy.subtree(tx, project.id)


def _ids_above(parents: list[Project]) -> dict[str, Any] | None:
    """Nest ids from the nearest outwards; None where nothing is above."""
    return {parents[0].id: _ids_above(parents[1:])} if parents else None


def _ids_below(project_id: str, below: list[Project]) -> dict[str, Any] | None:
    """Nest ids from the outside inwards; None where nothing is below."""
    children: dict[str, dict[str, Any]] = {each.id: {} for each in below} | {project_id: {}}
    for each in reversed(below):  # they come level by level, so what is below each is there already
        children[str(each.parent_id)][each.id] = children[each.id] or None
    return children[project_id] or None


def create_project(request: Request) -> Answer:
    """POST /projects."""
    columns, extra = split(request.body["project"], COLUMNS)
    if columns.get("is_domain"):
        columns |= {"domain_id": columns.get("domain_id") or ROOT, "parent_id": columns.get("parent_id")}
    else:
        columns["domain_id"] = columns.get("domain_id") or own_domain(request)
        columns["parent_id"] = columns.get("parent_id") or columns["domain_id"]
    request.enforce(target={"target.project.domain_id": columns["domain_id"]})
    database = request.parts.database
    project = Project(id=projects.new_id(), created_at=database.clock.wall(), extra=merged({}, extra), **columns)
    database.transact(lambda tx: projects.create(tx, project))
    return Answer(status=201, body={"project": records.project(request, project)})


def update_project(request: Request) -> Answer:
    """PATCH /projects/{project_id}."""
    body = request.body["project"]
    columns, extra = split(body, COLUMNS)
    changes = {name: value for name, value in columns.items() if name not in FIXED}

    def work(tx: Tx) -> Project:
        project = db.PROJECTS.hold(tx, acted_on(request, tx).id)
        check_id(body, project.id)
        immutable.check_change(project.extra, body, "project")
        projects.check_fixed(project, columns)
        return projects.update(tx, project, changes | {"extra": merged(project.extra, extra)})

    changed = request.parts.database.transact(work)
    request.parts.identity.tokens.catch_up()
    return Answer(body={"project": records.project(request, changed)})


def delete_project(request: Request) -> Answer:
    """DELETE /projects/{project_id}."""
    request.parts.database.transact(lambda tx: projects.delete_project(tx, acted_on(request, tx).id))
    request.parts.identity.tokens.catch_up()
    return Answer(status=204)
