"""What the rules of Identity are made of, and a short way to write one.

Readers of the whole system may read everything by themselves (`identity/policy.py`), so no rule repeats it.
"""

from __future__ import annotations

from oslo_policy import policy

ADMIN = "rule:admin_required"
# Somebody's token of a domain reaches the records of that domain: readers see them, managers change them.
DOMAIN_READER = "role:reader and domain_id:%(target.domain_id)s"
USERS_READER = "role:reader and domain_id:%(target.user.domain_id)s"
GROUPS_READER = "role:reader and domain_id:%(target.group.domain_id)s"
PROJECTS_READER = "role:reader and domain_id:%(target.project.domain_id)s"
USERS_MANAGER = "role:manager and domain_id:%(target.user.domain_id)s"
GROUPS_MANAGER = "role:manager and domain_id:%(target.group.domain_id)s"
PROJECTS_MANAGER = "role:manager and domain_id:%(target.project.domain_id)s"
ADMIN_OR_USERS_MANAGER = f"rule:admin_required or ({USERS_MANAGER})"
ADMIN_OR_GROUPS_MANAGER = f"rule:admin_required or ({GROUPS_MANAGER})"
ADMIN_OR_PROJECTS_MANAGER = f"rule:admin_required or ({PROJECTS_MANAGER})"
OWN_USER = "rule:admin_required or user_id:%(target.user.id)s"
OWN_USER_OR_READER = f"{OWN_USER} or ({USERS_READER})"
OWN_PROJECT = f"rule:admin_required or project_id:%(target.project.id)s or ({PROJECTS_READER})"
ANYONE = "@"
SERVICE_OR_SELF = "rule:admin_required or role:service or user_id:%(target.token.user_id)s"


def rule(name: str, check: str, method: str, path: str, description: str) -> policy.DocumentedRuleDefault:
    """Write one rule of the Identity API. `path` starts below `/v3`."""
    operations = [{"path": f"/v3{path}", "method": method}]
    return policy.DocumentedRuleDefault(f"identity:{name}", check, description, operations)


RULES = (
    policy.RuleDefault("admin_required", "role:admin", "Whoever has the role admin, in any scope."),
    policy.RuleDefault(
        "domain_managed_target_role",
        "'manager':%(target.role.name)s or 'member':%(target.role.name)s or 'reader':%(target.role.name)s",
        "Roles that managers of a domain may give and take.",
    ),
)
