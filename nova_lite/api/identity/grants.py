"""Giving roles to users and groups on projects, domains and the system."""

from __future__ import annotations

from typing import Any

from nova_lite import errors
from nova_lite.api.identity import targets
from nova_lite.api.identity.lists import answer_list
from nova_lite.api.identity.views import records
from nova_lite.api.route import Answer, Request
from nova_lite.db import identity as db
from nova_lite.db.engine import Tx
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


INHERITED = "/inherited_to_projects"


def _acted_on(request: Request, tx: Tx) -> None:
    """Look whether the caller may act on this actor, target and role. Raises: Forbidden."""
    params = request.params
    facts: dict[str, Any] = {}
    if "user_id" in params:
        facts |= targets.of_user(db.USERS.find(tx, params["user_id"]))
    else:
        facts |= targets.of_group(db.GROUPS.find(tx, params["group_id"]))
    if "project_id" in params:
        facts |= targets.of_project(db.PROJECTS.find(tx, params["project_id"]))
    if "domain_id" in params:
        facts |= targets.of_domain(db.PROJECTS.find(tx, params["domain_id"]))
    if "role_id" in params:
        facts |= targets.of_role(db.ROLES.find(tx, params["role_id"]))
    request.enforce(target=facts)


def _assignment(request: Request) -> Assignment:
    return Assignment(**_where(request), role_id=request.params["role_id"], inherited=request.path.endswith(INHERITED))


def list_grants(request: Request) -> Answer:
    """GET .../roles: what one actor was given on one target; or what it was given for all below (`inherited_to_projects`)."""
    where = _where(request)
    with request.parts.database.read() as tx:
        _acted_on(request, tx)
        roles.check_actor_and_target(tx, **where)
        ids = [each.role_id for each in db.ASSIGNMENTS.list_by(tx, **where, inherited=request.path.endswith(INHERITED))]
        found = db.ROLES.list_by(tx, id=ids) if ids else []
    return answer_list(request, "roles", [records.role(request, role) for role in found])


def check_grant(request: Request) -> Answer:
    """GET and HEAD .../roles/{role_id}. Raises: NotFound when it was not given."""
    assignment = _assignment(request)
    with request.parts.database.read() as tx:
        _acted_on(request, tx)
        roles.check_names(tx, assignment)
        if not roles.is_granted(tx, assignment):
            raise errors.NotFound("Could not find role assignment.")
    return Answer(status=204)


def create_grant(request: Request) -> Answer:
    """PUT .../roles/{role_id}."""
    assignment = _assignment(request)

    def work(tx: Tx) -> None:
        _acted_on(request, tx)
        roles.grant(tx, assignment)

    request.parts.database.transact(work)
    return Answer(status=204)


def revoke_grant(request: Request) -> Answer:
    """DELETE .../roles/{role_id}."""
    assignment = _assignment(request)

    def work(tx: Tx) -> None:
        _acted_on(request, tx)
        roles.withdraw(tx, assignment)

    request.parts.database.transact(work)
    request.parts.identity.tokens.catch_up()
    return Answer(status=204)
