"""What the rules of Identity are made of, and a short way to write one.

Readers of the whole system may read everything by themselves (`identity/policy.py`), so no rule repeats it.
"""

from __future__ import annotations

from oslo_policy import policy

ADMIN = "rule:admin_required"
OWN_USER = "rule:admin_required or user_id:%(target.user.id)s"
OWN_PROJECT = "rule:admin_required or project_id:%(target.project.id)s"
ANYONE = "@"
SERVICE_OR_SELF = "rule:admin_required or role:service or user_id:%(target.token.user_id)s"


def rule(name: str, check: str, method: str, path: str, description: str) -> policy.DocumentedRuleDefault:
    """Write one rule of the Identity API. `path` starts below `/v3`."""
    operations = [{"path": f"/v3{path}", "method": method}]
    return policy.DocumentedRuleDefault(f"identity:{name}", check, description, operations)


RULES = (policy.RuleDefault("admin_required", "role:admin", "Whoever has the role admin, in any scope."),)
