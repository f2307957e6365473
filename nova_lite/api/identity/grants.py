"""Giving roles to users and groups on projects, domains and the system; listing who has which."""

from __future__ import annotations

from typing import Any

from nova_lite import errors
from nova_lite.api.identity.lists import answer_list, flag
from nova_lite.api.identity.views import records
from nova_lite.api.identity.views.assignments import Names, show
from nova_lite.api.route import Answer, Request
from nova_lite.db import identity as db
from nova_lite.identity import roles
from nova_lite.model.identity import SYSTEM, Actor, Assignment, Target


def _where(request: Request) -> dict[str, Any]:
    """Read actor and target from the path."""
    params = request.params
    actor = Actor.USER if "user_id" in params else Actor.GROUP
    if "project_id" in params:
        target, target_id = Target.PROJECT, params["project_id"]
    elif "domain_id" in params:
        target, target_id = Target.DOMAIN, params["domain_id"]
    else:
        target, target_id = Target.SYSTEM, SYSTEM
    return {
        "actor_kind": actor,
        "actor_id": params.get("user_id") or params["group_id"],
        "target_kind": target,
        "target_id": target_id,
    }


def _assignment(request: Request) -> Assignment:
    inherited = "inherited_to_projects" in request.path.rsplit("/", 1)[-1]
    return Assignment(**_where(request), role_id=request.params["role_id"], inherited=inherited)


def list_grants(request: Request) -> Answer:
    """GET .../roles: what one actor was given on one target."""
    where = _where(request)
    with request.parts.database.read() as tx:
        roles.check_actor_and_target(tx, **where)
        ids = [each.role_id for each in db.ASSIGNMENTS.list_by(tx, **where, inherited=False)]
        found = db.ROLES.list_by(tx, id=ids) if ids else []
    return answer_list(request, "roles", [records.role(request, role) for role in found])


def check_grant(request: Request) -> Answer:
    """GET and HEAD .../roles/{role_id}. Raises: NotFound when it was not given."""
    assignment = _assignment(request)
    with request.parts.database.read() as tx:
        roles.check_names(tx, assignment)
        if not roles.is_granted(tx, assignment):
            raise errors.NotFound("Could not find role assignment.")
    return Answer(status=204)


def create_grant(request: Request) -> Answer:
    """PUT .../roles/{role_id}."""
    assignment = _assignment(request)
    request.parts.database.transact(lambda tx: roles.grant(tx, assignment))
    return Answer(status=204)


def revoke_grant(request: Request) -> Answer:
    """DELETE .../roles/{role_id}."""
    assignment = _assignment(request)
    request.parts.database.transact(lambda tx: roles.withdraw(tx, assignment))
    request.parts.identity.tokens.catch_up()
    return Answer(status=204)


def _filters(request: Request) -> dict[str, Any]:
    """Read the filters of role_assignments as columns. Raises: BadRequest for two actors or two scopes."""
    first = request.first
    actors = [(kind, value) for kind in Actor if (value := first(f"{kind}.id"))]
    targets = [(kind, value) for kind in (Target.PROJECT, Target.DOMAIN) if (value := first(f"scope.{kind}.id"))]
    if first("scope.system"):
        targets.append((Target.SYSTEM, SYSTEM))
    if len(actors) > 1 or len(targets) > 1:
        raise errors.BadRequest("Only one user or group, and one scope, can be asked for at a time.")
    equal: dict[str, Any] = {}
    for actor, value in actors:
        equal |= {"actor_kind": actor, "actor_id": value}
    for target, value in targets:
        equal |= {"target_kind": target, "target_id": value}
    if first("role.id"):
        equal["role_id"] = first("role.id")
    if first("scope.OS-INHERIT:inherited_to"):
        equal["inherited"] = True
    return equal


def list_role_assignments(request: Request) -> Answer:
    """GET /role_assignments: as given, or `effective`, with groups and implied roles worked out."""
    equal = _filters(request)
    with request.parts.database.read() as tx:
        found = roles.effective_assignments(tx, equal) if flag(request, "effective") else db.ASSIGNMENTS.list_by(tx, **equal)
        names = Names(tx) if flag(request, "include_names") else None
        views = [show(request, each, names) for each in found]
    return answer_list(request, "role_assignments", views)
