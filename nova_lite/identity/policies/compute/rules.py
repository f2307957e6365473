"""The roles that the Compute API's rules speak of, and the way its rules are written."""

from __future__ import annotations

from oslo_policy import policy

ADMIN = "rule:context_is_admin"
MEMBER = "rule:project_member_or_admin"
READER = "rule:project_reader_or_admin"
MANAGER = "rule:project_manager_or_admin"
ANYONE = "@"
NOBODY_ELSE = "(rule:context_is_admin) or user_id:%(user_id)s"

RULES: tuple[policy.RuleDefault, ...] = (
    policy.RuleDefault("context_is_admin", "role:admin", "Whoever holds the role admin."),
    policy.RuleDefault("project_manager_api", "role:manager and project_id:%(project_id)s", "A manager of the project."),
    policy.RuleDefault("project_member_api", "role:member and project_id:%(project_id)s", "A member of the project."),
    policy.RuleDefault("project_reader_api", "role:reader and project_id:%(project_id)s", "A reader of the project."),
    policy.RuleDefault(
        "project_manager_or_admin",
        "rule:project_manager_api or rule:context_is_admin",
        "A manager of the project, or an admin.",
    ),
    policy.RuleDefault(
        "project_member_or_admin", "rule:project_member_api or rule:context_is_admin", "A member of the project, or an admin."
    ),
    policy.RuleDefault(
        "project_reader_or_admin", "rule:project_reader_api or rule:context_is_admin", "A reader of the project, or an admin."
    ),
)


def rule(name: str, check: str, description: str, *operations: str) -> policy.DocumentedRuleDefault:
    """Make a rule; operations are written `GET /servers`."""
    documented = [{"method": line.split(" ", 1)[0], "path": line.split(" ", 1)[1]} for line in operations]
    return policy.DocumentedRuleDefault(f"os_compute_api:{name}", check, description, documented)
