"""What rules of Identity can say of the things acted on: ids, and the domains they are in. Of what is not there, nothing."""

from __future__ import annotations

from typing import Any

from nova_lite.api.route import Request
from nova_lite.model.identity import Group, Project, Role, User

Facts = dict[str, Any]


def own_domain(request: Request) -> Facts:
    """Say that a list is of the caller's own domain; empty, and so nobody's, for callers that have none."""
    domain_id = request.context.domain_id or ""
    names = ("target.domain_id", "target.domain.id", "target.group.domain_id")
    return dict.fromkeys(names, domain_id)


def of_user(user: User | None) -> Facts:
    """Speak of a user."""
    return {} if user is None else {"target.user.id": user.id, "target.user.domain_id": user.domain_id}


def of_group(group: Group | None) -> Facts:
    """Speak of a group."""
    return {} if group is None else {"target.group.id": group.id, "target.group.domain_id": group.domain_id}


def of_project(project: Project | None) -> Facts:
    """Speak of a project; one that acts as a domain is in none."""
    return {} if project is None else {"target.project.id": project.id, "target.project.domain_id": project.domain_id}


def of_domain(domain: Project | None) -> Facts:
    """Speak of a domain."""
    return {} if domain is None else {"target.domain.id": domain.id}


def of_role(role: Role | None) -> Facts:
    """Speak of a role; a global one has the domain None."""
    if role is None:
        return {}
    return {"target.role.id": role.id, "target.role.name": role.name, "target.role.domain_id": role.domain_id or None}
