"""Who holds which role where: assignments, groups, inheritance and implied roles put together."""

from __future__ import annotations

import dataclasses
import uuid
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from nova_lite import errors
from nova_lite.db import identity as db
from nova_lite.db.engine import Tx
from nova_lite.identity import revocations
from nova_lite.model.identity import SYSTEM, Actor, Assignment, Project, Role, Target


def create(tx: Tx, role: Role) -> Role:
    """Add a role. Raises: Conflict when the name is taken."""
    return db.ROLES.insert(tx, role)


def delete(tx: Tx, role_id: str) -> None:
    """Remove a role, its assignments and implications; tokens that hold it end. Raises: NotFound."""
    db.ROLES.get(tx, role_id)
    for assignment in db.ASSIGNMENTS.list_by(tx, role_id=role_id):
        _end_tokens(tx, assignment)
    db.forget_role(tx, role_id)
    db.ROLES.delete(tx, role_id)


def new_role(name: str, **fields: object) -> Role:
    """Make a role with a fresh id."""
    return dataclasses.replace(Role(id=uuid.uuid4().hex, name=name), **fields)  # type: ignore[arg-type]


def check_actor_and_target(tx: Tx, *, actor_kind: str, actor_id: str, target_kind: str, target_id: str) -> None:
    """Raises: NotFound when the actor or the target does not exist."""
    if actor_kind == Actor.USER:
        db.USERS.get(tx, actor_id)
    else:
        db.GROUPS.get(tx, actor_id)
    if target_kind == Target.SYSTEM:
        return
    target = db.PROJECTS.get(tx, target_id)
    if target_kind == Target.DOMAIN and not target.is_domain:
        raise errors.NotFound(f"Could not find domain: {target_id}.")


def check_names(tx: Tx, assignment: Assignment) -> None:
    """Raises: NotFound when the role, the actor or the target does not exist."""
    db.ROLES.get(tx, assignment.role_id)
    check_actor_and_target(
        tx,
        actor_kind=assignment.actor_kind,
        actor_id=assignment.actor_id,
        target_kind=assignment.target_kind,
        target_id=assignment.target_id,
    )


def is_granted(tx: Tx, assignment: Assignment) -> bool:
    """Tell whether exactly this assignment exists."""
    return db.ASSIGNMENTS.find_by(tx, **dataclasses.asdict(assignment)) is not None


def grant(tx: Tx, assignment: Assignment) -> None:
    """Give a role. May be repeated. Raises: NotFound."""
    check_names(tx, assignment)
    if not is_granted(tx, assignment):
        db.ASSIGNMENTS.insert(tx, assignment)


def withdraw(tx: Tx, assignment: Assignment) -> None:
    """Take a role away; tokens that may hold it end. Raises: NotFound when it was not held."""
    check_names(tx, assignment)
    if db.ASSIGNMENTS.delete_by(tx, **dataclasses.asdict(assignment)) == 0:
        raise errors.NotFound("Could not find role assignment.")
    _end_tokens(tx, assignment)


def _end_tokens(tx: Tx, assignment: Assignment) -> None:
    users = _users(tx, assignment)
    if assignment.inherited:  # holds in many projects
        for user_id in users:
            revocations.revoke(tx, revocations.USER, user_id)
    else:
        revocations.revoke_grants(tx, users, assignment.target_id)


def forget_actor(tx: Tx, kind: Actor, actor_id: str) -> None:
    """Remove what a user or group held."""
    db.ASSIGNMENTS.delete_by(tx, actor_kind=kind, actor_id=actor_id)


def forget_target(tx: Tx, target_id: str) -> None:
    """Remove what anybody held on a project or domain."""
    db.ASSIGNMENTS.delete_by(tx, target_id=target_id)


def assignments_of(tx: Tx, user_id: str) -> list[Assignment]:
    """List what a user holds, by itself and through groups."""
    groups = db.group_ids_of(tx, user_id)
    return db.assignments_of_actors(tx, ((Actor.USER, [user_id]), (Actor.GROUP, groups)))


def expand(tx: Tx, role_ids: Iterable[str]) -> set[str]:
    """Add the roles that roles imply, however far."""
    implied = defaultdict(set)
    for prior, other in db.implications(tx):
        implied[prior].add(other)
    found: set[str] = set()
    waiting = list(role_ids)
    while waiting:
        role_id = waiting.pop()
        if role_id not in found:
            found.add(role_id)
            waiting += implied[role_id]
    return found


def stop_implying(tx: Tx, prior_role_id: str, implied_role_id: str) -> None:
    """End an implication; tokens of everybody who holds the first role end. Raises: NotFound when there was none."""
    if db.remove_implications(tx, prior_role_id, implied_role_id) == 0:
        raise errors.NotFound("The role does not imply the other.")
    for assignment in db.ASSIGNMENTS.list_by(tx, role_id=list(_priors(tx, prior_role_id))):
        _end_tokens(tx, assignment)


def _priors(tx: Tx, role_id: str) -> set[str]:
    """List a role and those that imply it, however far."""
    pairs = db.implications(tx)
    found, waiting = {role_id}, [role_id]
    while waiting:
        implied = waiting.pop()
        fresh = {prior for prior, other in pairs if other == implied} - found
        found |= fresh
        waiting += fresh
    return found


def effective_assignments(tx: Tx, equal: dict[str, Any]) -> list[Assignment]:
    """List who has which role where, groups and implied roles worked out, as columns `equal` ask."""
    wanted = {name: value for name, value in equal.items() if name not in ("actor_kind", "actor_id", "role_id")}
    found: dict[tuple[str, ...], Assignment] = {}
    for assignment in db.ASSIGNMENTS.list_by(tx, **wanted):
        for user_id in _users(tx, assignment):
            for role_id in expand(tx, [assignment.role_id]):
                one = dataclasses.replace(assignment, actor_kind=Actor.USER, actor_id=user_id, role_id=role_id)
                if all(getattr(one, name) == value for name, value in equal.items()):
                    found[(user_id, one.target_kind, one.target_id, role_id)] = one
    return list(found.values())


def _users(tx: Tx, assignment: Assignment) -> list[str]:
    group = assignment.actor_kind == Actor.GROUP
    return db.member_ids_of(tx, assignment.actor_id) if group else [assignment.actor_id]


def effective(tx: Tx, user_id: str, kind: Target, target: Project | None) -> list[Role]:
    """List the roles a user has in a project, domain or the system (`target` None), implied ones too, by name."""
    held = {assignment.role_id for assignment in assignments_of(tx, user_id) if _holds(tx, assignment, kind, target)}
    return db.ROLES.list_by(tx, id=list(expand(tx, held))) if held else []


def _holds(tx: Tx, assignment: Assignment, kind: Target, target: Project | None) -> bool:
    """Whether an assignment counts in a scope: made there, or inherited from what is above it."""
    if not assignment.inherited:
        here = SYSTEM if target is None else target.id
        return assignment.target_kind == kind and assignment.target_id == here
    if kind != Target.PROJECT or target is None:
        return False
    return assignment.target_id in _above(tx, target)


def _above(tx: Tx, project: Project) -> list[str]:
    """List a project's domain and the projects it is in."""
    above = [project.domain_id]
    parent = project.parent_id
    while parent and parent not in above:
        above.append(parent)
        found = db.PROJECTS.find(tx, parent)
        parent = found.parent_id if found else None
    return above


def projects_of(tx: Tx, user_id: str) -> list[Project]:
    """List the enabled projects in which a user has a role, by name."""
    held = assignments_of(tx, user_id)
    direct = {each.target_id for each in held if each.target_kind == Target.PROJECT and not each.inherited}
    found = {each.id: each for each in db.PROJECTS.list_by(tx, id=list(direct))} if direct else {}
    inherited = {each.target_id for each in held if each.inherited}
    if inherited:
        for project in db.PROJECTS.list_by(tx, is_domain=False):
            if inherited & set(_above(tx, project)):
                found[project.id] = project
    return sorted((each for each in found.values() if each.enabled and not each.is_domain), key=lambda each: each.name)


def domains_of(tx: Tx, user_id: str) -> list[Project]:
    """List the enabled domains in which a user has a role, by name."""
    held = {each.target_id for each in assignments_of(tx, user_id) if each.target_kind == Target.DOMAIN and not each.inherited}
    return [each for each in db.PROJECTS.list_by(tx, id=list(held)) if each.enabled] if held else []
