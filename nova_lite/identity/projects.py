"""Rules of projects and domains (a domain is a project that is at the top)."""

from __future__ import annotations

import uuid
from typing import Any

from nova_lite import errors
from nova_lite.db import delegation, limits
from nova_lite.db import identity as db
from nova_lite.db.engine import Tx
from nova_lite.identity import revocations, roles, trusts
from nova_lite.model.identity import DEFAULT_DOMAIN, Actor, Project


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
    """Add a project or domain. Raises: NotFound or Forbidden for its domain or parent; Conflict for its name."""
    if not project.is_domain:
        if not get_domain(tx, project.domain_id).enabled:
            raise errors.Forbidden("The domain is disabled.")
        parent = db.PROJECTS.find(tx, project.parent_id or project.domain_id)
        if parent is None:
            raise errors.NotFound(f"Could not find project: {project.parent_id}.")
        if project.domain_id not in (parent.domain_id, parent.id):
            raise errors.BadRequest("A project must be in the domain of its parent.")
    return db.PROJECTS.insert(tx, project)


def update(tx: Tx, project: Project, changes: dict[str, Any]) -> Project:
    """Change columns; disabling ends the tokens of the project or domain. Raises: Conflict for the name."""
    if changes.get("enabled") is False and project.enabled:
        if project.id == DEFAULT_DOMAIN:
            raise errors.Forbidden("The default domain cannot be disabled.")
        revocations.revoke(tx, revocations.DOMAIN if project.is_domain else revocations.PROJECT, project.id)
    return db.PROJECTS.update(tx, project.id, **changes)


def delete_project(tx: Tx, project_id: str) -> None:
    """Remove a project, with what was granted there. Raises: NotFound; Forbidden while projects are below it."""
    project = get_project(tx, project_id)
    if project.is_domain:
        raise errors.Forbidden("A domain is deleted as a domain.")
    if db.PROJECTS.find_by(tx, parent_id=project_id):
        raise errors.Forbidden("The project has projects below it.")
    _forget(tx, project_id)
    revocations.revoke(tx, revocations.PROJECT, project_id)


def delete_domain(tx: Tx, domain_id: str) -> None:
    """Remove a disabled domain with everything in it. Raises: NotFound; Forbidden while it is enabled."""
    domain = get_domain(tx, domain_id)
    if domain.enabled:
        raise errors.Forbidden("Cannot delete a domain that is enabled, please disable it first.")
    for project in db.PROJECTS.list_by(tx, domain_id=domain_id):
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
