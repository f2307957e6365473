"""Who asks: the caller of a request, checked from its token, and the ids that follow it into logs and operations."""

from __future__ import annotations

import dataclasses
import uuid


def new_request_id() -> str:
    """Make a request id in the form OpenStack clients expect: `req-` and a UUID."""
    return f"req-{uuid.uuid4()}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Context:
    """A caller and its scope. `roles` are lower case and include implied ones.

    service_roles: of the service that asks on the user's behalf, from its own token
    """

    request_id: str
    user_id: str | None = None
    user_name: str | None = None
    user_domain_id: str | None = None
    project_id: str | None = None
    project_name: str | None = None
    project_domain_id: str | None = None
    domain_id: str | None = None
    system_scope: str | None = None
    roles: frozenset[str] = frozenset()
    service_roles: frozenset[str] = frozenset()
    token_expires_at: float | None = None
    audit_id: str | None = None

    @property
    def is_admin(self) -> bool:
        """Whether the caller has the admin role (in whatever scope the token has)."""
        return "admin" in self.roles

    @property
    def is_auditor(self) -> bool:
        """Whether the caller reads everything: a reader scoped to the system (DESIGN section 6)."""
        return self.system_scope == "all" and "reader" in self.roles

    @property
    def sees_all_projects(self) -> bool:
        """Whether the caller may read what belongs to any project."""
        return self.is_admin or self.is_auditor
