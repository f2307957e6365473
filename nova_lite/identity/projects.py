"""Rules of projects and domains (a domain is a project that is at the top)."""

from __future__ import annotations

import uuid
from typing import Any

from nova_lite import errors
from nova_lite.db import delegation, hierarchy, limits
from nova_lite.db import identity as db
from nova_lite.db.engine import Tx
from nova_lite.identity import admins, immutable, revocations, roles, trusts
from nova_lite.model.identity import ROOT, Actor, Project

MAX_DEPTH = 5  # levels of projects below a domain, Keystone's own default
RESERVED = "federated"


def new_id() -> str:
    """Make an id as Keystone's are: 32 hexadecimal digits."""
    return uuid.uuid4().hex


def get_domain(tx: Tx, domain_id: str) -> Project:
    """Read a domain. Raises: NotFound, for a mere project too."""
    found = db.PROJECTS.find(tx, domain_id)
    if found is None or not found.is_domain:
        raise errors.NotFound(f"Could not find domain: {domain_id[:64]}.")
    return found


def get_project(tx: Tx, project_id: str) -> Project:
    """Read a project. Raises: NotFound."""
    return db.PROJECTS.get(tx, project_id)


def create(tx: Tx, project: Project) -> Project:
    """Add a project or domain. Raises: BadRequest or Forbidden for its place; Conflict for its name."""
    if project.is_domain:
        _check_domain(project)
    else:
        _check_place(tx, project)
    return db.PROJECTS.insert(tx, project)


def _check_domain(project: Project) -> None:
    if project.parent_id or project.domain_id:
        raise errors.BadRequest("Only a project at the top can act as a domain.")
    if RESERVED in (project.id.lower(), project.name.lower()):
        raise errors.BadRequest(f"A domain cannot be called {RESERVED}: the name is kept for users of other clouds.")


def _check_place(tx: Tx, project: Project) -> None:
    """Look at what a new project will be in; what does not exist is a bad request here, as in Keystone."""
    domain = db.PROJECTS.find(tx, project.domain_id)
    if domain is None or not domain.is_domain:
        raise errors.BadRequest(f"Could not find domain: {project.domain_id[:64]}.")
    parent = domain if project.parent_id in (None, domain.id) else db.PROJECTS.find(tx, str(project.parent_id))
    if parent is None:
        raise errors.BadRequest(f"Could not find project: {str(project.parent_id)[:64]}.")
    if domain.id not in (parent.domain_id, parent.id):
        raise errors.BadRequest("A project must be in the domain of its parent.")
    above = [parent, *hierarchy.parents(tx, parent)]
    if not all(each.enabled for each in above):
        raise errors.BadRequest("A project cannot be made below a project or domain that is disabled.")
    if len(above) > MAX_DEPTH:
        raise errors.Forbidden(f"Projects can be {MAX_DEPTH} deep below their domain, not more.")


def check_fixed(project: Project, asked: dict[str, Any]) -> None:
    """Raises: BadRequest, or Forbidden for the parent, when a change would move a project or make it a domain."""
    if (asked.get("domain_id", project.domain_id) or ROOT) != project.domain_id:
        raise errors.BadRequest("A project cannot move to another domain.")
    if asked.get("parent_id", project.parent_id) not in (project.parent_id, project.parent_id or project.domain_id):
        raise errors.Forbidden("A project cannot move to another parent.")
    if asked.get("is_domain", project.is_domain) != project.is_domain:
        raise errors.BadRequest("A project cannot become a domain, nor a domain a mere project.")


def update(tx: Tx, project: Project, changes: dict[str, Any]) -> Project:
    """Change columns; disabling ends the tokens of the project or domain.

    Raises: Conflict for the name; Forbidden when a project would be enabled in a disabled one or disabled over an enabled
    one, or nobody could administer the cloud any more.
    """
    enabled = changes.get("enabled", project.enabled)
    disabled = project.enabled and not enabled
    if enabled and not project.enabled and not all(each.enabled for each in hierarchy.parents(tx, project)):
        raise errors.Forbidden("A project cannot be enabled while one that it is in is disabled.")
    if disabled and not project.is_domain and any(each.enabled for each in hierarchy.subtree(tx, project.id)):
        raise errors.Forbidden("A project cannot be disabled while one below it is enabled.")
    with admins.kept(tx, when=disabled):
        changed = db.PROJECTS.update(tx, project.id, **changes)
    if disabled:
        revocations.revoke(tx, revocations.DOMAIN if project.is_domain else revocations.PROJECT, project.id)
    if disabled and project.is_domain:  # tokens of trusts name the domain of one side only
        for user_id in delegation.users_with_trusts(tx, project.id):
            revocations.revoke(tx, revocations.USER, user_id)
    return changed


def delete_project(tx: Tx, project_id: str) -> None:
    """Remove a project, with what was granted there. Raises: NotFound; Forbidden while projects are below it, or immutable."""
    project = get_project(tx, project_id)
    if project.is_domain:
        delete_domain(tx, project_id)
        return
    immutable.check_removal(project.extra, "project")
    if db.PROJECTS.find_by(tx, parent_id=project_id):
        raise errors.Forbidden("The project has projects below it.")
    with admins.kept(tx):
        _forget(tx, project_id)
    revocations.revoke(tx, revocations.PROJECT, project_id)


def delete_domain(tx: Tx, domain_id: str) -> None:
    """Remove a disabled domain with everything in it. Raises: NotFound; Forbidden while it, or something in it, is kept."""
    domain = get_domain(tx, domain_id)
    inside = db.PROJECTS.list_by(tx, domain_id=domain_id)
    for each in (domain, *inside):
        immutable.check_removal(each.extra, "domain" if each.is_domain else f"project {each.id}")
    if domain.enabled:
        raise errors.Forbidden("Cannot delete a domain that is enabled, please disable it first.")
    with admins.kept(tx):
        for project in inside:
            _forget(tx, project.id)
        for user in db.USERS.list_by(tx, domain_id=domain_id):
            forget_user(tx, user.id)
        for group in db.GROUPS.list_by(tx, domain_id=domain_id):
            forget_group(tx, group.id)
        for role in db.ROLES.list_by(tx, domain_id=domain_id):
            roles.delete(tx, role.id)
        _forget(tx, domain_id)
    revocations.revoke(tx, revocations.DOMAIN, domain_id)


def _forget(tx: Tx, project_id: str) -> None:
    roles.forget_target(tx, project_id)
    hierarchy.forget_default_project(tx, project_id)
    db.CREDENTIALS.delete_by(tx, project_id=project_id)
    delegation.forget_project(tx, project_id)
    trusts.forget_project(tx, project_id)
    limits.forget_project(tx, project_id)
    db.PROJECTS.delete(tx, project_id)


def forget_user(tx: Tx, user_id: str) -> None:
    """Remove a user with what it held; its tokens end. Raises: NotFound."""
    db.USERS.delete(tx, user_id)
    roles.forget_actor(tx, Actor.USER, user_id)
    db.remove_members(tx, user_id=user_id)
    db.CREDENTIALS.delete_by(tx, user_id=user_id)
    delegation.forget_user(tx, user_id)
    trusts.forget_user(tx, user_id)
    db.ACCESS_RULES.delete_by(tx, user_id=user_id)
    revocations.revoke(tx, revocations.USER, user_id)


def forget_group(tx: Tx, group_id: str) -> None:
    """Remove a group with what it held; its members' tokens end. Raises: NotFound."""
    db.GROUPS.delete(tx, group_id)
    for user_id in db.member_ids_of(tx, group_id):
        revocations.revoke(tx, revocations.USER, user_id)
    roles.forget_actor(tx, Actor.GROUP, group_id)
    db.remove_members(tx, group_id=group_id)
