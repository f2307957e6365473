"""Who holds which role where: assignments, groups, inheritance and implied roles put together."""

from __future__ import annotations

import dataclasses
import uuid
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from nova_lite import errors
from nova_lite.db import hierarchy
from nova_lite.db import identity as db
from nova_lite.db.engine import Tx
from nova_lite.identity import admins, immutable, revocations
from nova_lite.identity.tree import Tree
from nova_lite.model.identity import SYSTEM, Actor, Assignment, Project, Role, Target

ADMIN = "admin"


def create(tx: Tx, role: Role) -> Role:
    """Add a role. Raises: Conflict when the name is taken."""
    return db.ROLES.insert(tx, role)


def update(tx: Tx, role: Role, changes: dict[str, Any]) -> Role:
    """Change columns. Raises: Conflict for the name; Forbidden when nobody would be left with the role admin."""
    renamed = changes.get("name", role.name) != role.name
    with admins.kept(tx, when=renamed):
        changed = db.ROLES.update(tx, role.id, **changes)
    if renamed:  # tokens name their roles
        for assignment in db.ASSIGNMENTS.list_by(tx, role_id=list(_priors(tx, role.id))):
            _end_tokens(tx, assignment)
    return changed


def delete(tx: Tx, role_id: str) -> None:
    """Remove a role, its assignments and implications; tokens that hold it end. Raises: NotFound; Forbidden if immutable."""
    role = db.ROLES.get(tx, role_id)
    immutable.check_removal(role.extra, "role")
    for assignment in db.ASSIGNMENTS.list_by(tx, role_id=list(_priors(tx, role_id))):
        _end_tokens(tx, assignment)
    with admins.kept(tx):
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
    """Give a role. May be repeated. Raises: NotFound; Forbidden or BadRequest for a domain's role where it cannot be held."""
    check_names(tx, assignment)
    role = db.ROLES.get(tx, assignment.role_id)
    if role.domain_id and assignment.target_kind == Target.SYSTEM:
        raise errors.BadRequest("A role of a domain cannot be held on the system.")
    elsewhere = (
        assignment.target_kind == Target.PROJECT and role.domain_id != db.PROJECTS.get(tx, assignment.target_id).domain_id
    )
    if role.domain_id and elsewhere:
        raise errors.Forbidden("A role of a domain can be held only on projects of that domain.")
    if not is_granted(tx, assignment):
        db.ASSIGNMENTS.insert(tx, assignment)


def withdraw(tx: Tx, assignment: Assignment, *, force: bool = False) -> None:
    """Take a role away; tokens that may hold it end.

    Raises: NotFound when it was not held; Forbidden when it is the last admin's, unless by `force`.
    """
    check_names(tx, assignment)
    is_admin = db.ROLES.get(tx, assignment.role_id).name == ADMIN
    with admins.kept(tx, when=is_admin, force=force):
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
    return spread(db.implications(tx), role_ids)


def spread(implications: Iterable[tuple[str, str]], role_ids: Iterable[str]) -> set[str]:
    """Add the roles that roles imply by these pairs, however far."""
    implied = defaultdict(set)
    for prior, other in implications:
        implied[prior].add(other)
    found: set[str] = set()
    waiting = list(role_ids)
    while waiting:
        role_id = waiting.pop()
        if role_id not in found:
            found.add(role_id)
            waiting += implied[role_id]
    return found


def imply(tx: Tx, prior_role_id: str, implied_role_id: str) -> tuple[Role, Role]:
    """Let a role imply another; give both. Raises: NotFound; Conflict when it does already; Forbidden where it must not.

    That is for admin, for a circle, and for a domain's role implied by a global one.
    """
    prior, implied = db.ROLES.get(tx, prior_role_id), db.ROLES.get(tx, implied_role_id)
    if implied.name == ADMIN or prior.id in expand(tx, [implied.id]) or (implied.domain_id and not prior.domain_id):
        raise errors.Forbidden(f"The role {implied.name} cannot be implied by {prior.name}.")
    if (prior.id, implied.id) in db.implications(tx):
        raise errors.Conflict(f"The role {prior.name} implies {implied.name} already.")
    db.add_implication(tx, prior.id, implied.id)
    return prior, implied


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


def _users(tx: Tx, assignment: Assignment) -> list[str]:
    group = assignment.actor_kind == Actor.GROUP
    return db.member_ids_of(tx, assignment.actor_id) if group else [assignment.actor_id]


def effective(tx: Tx, user_id: str, kind: Target, target: Project | None) -> list[Role]:
    """List the roles a user has in a project, domain or the system (`target` None), implied ones too, by name.

    Roles of a domain count only by what they imply, as in Keystone.
    """
    held = [each for each in assignments_of(tx, user_id) if kind == Target.PROJECT or not each.inherited]
    above: set[str] = set()
    if target is not None and any(each.inherited for each in held):
        above = {each.id for each in hierarchy.parents(tx, target)}
    here = SYSTEM if target is None else target.id
    ids = {
        each.role_id
        for each in held
        if (each.target_id in above if each.inherited else (each.target_kind, each.target_id) == (kind, here))
    }
    return [role for role in db.ROLES.list_by(tx, id=list(expand(tx, ids))) if not role.domain_id] if ids else []


def projects_of(tx: Tx, user_id: str, *, disabled_too: bool = False) -> list[Project]:
    """List the projects in which a user has a role, by name; those that are disabled if asked."""
    held = assignments_of(tx, user_id)
    ids = {each.target_id for each in held if each.target_kind == Target.PROJECT and not each.inherited}
    sources = {each.target_id for each in held if each.inherited}
    if sources:
        tree = Tree(hierarchy.places(tx))
        ids |= {project_id for source in sources for project_id in tree.below(source)}
    found = [each for part in hierarchy.chunks(ids) for each in db.PROJECTS.list_by(tx, id=part)]
    shown = (each for each in found if not each.is_domain and (each.enabled or disabled_too))
    return sorted(shown, key=lambda each: (each.name, each.id))


def domains_of(tx: Tx, user_id: str) -> list[Project]:
    """List the enabled domains in which a user has a role, by name."""
    held = {each.target_id for each in assignments_of(tx, user_id) if each.target_kind == Target.DOMAIN and not each.inherited}
    return [each for each in db.PROJECTS.list_by(tx, id=list(held)) if each.enabled] if held else []
