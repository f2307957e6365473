"""The roles that the Network API's rules speak of, and the way its rules are written."""

from __future__ import annotations

from oslo_policy import policy

ADMIN = "rule:admin_only"
MEMBER = "rule:admin_only or (role:member and project_id:%(project_id)s)"
MANAGER = "rule:admin_only or (role:manager and project_id:%(project_id)s)"
READER = "rule:admin_only or (role:reader and project_id:%(project_id)s)"

RULES: tuple[policy.RuleDefault, ...] = (
    policy.RuleDefault("admin_only", "role:admin", "Whoever holds the role admin, in any scope."),
)


def rule(name: str, check: str, description: str, *operations: str) -> policy.DocumentedRuleDefault:
    """Make a rule; operations are written `GET /ports`."""
    documented = [{"method": line.split(" ", 1)[0], "path": line.split(" ", 1)[1]} for line in operations]
    return policy.DocumentedRuleDefault(name, check, description, documented)
