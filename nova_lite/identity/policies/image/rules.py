"""What the rules of Image are made of. The target is the image: its owner as `project_id`, its visibility, the member."""

from __future__ import annotations

from oslo_policy import policy

ADMIN = "role:admin"
MEMBER = "role:admin or (role:member and project_id:%(project_id)s)"
READER = "role:admin or (role:reader and project_id:%(project_id)s)"
SERVICE = "role:admin or role:service"
SHARED_WITH = "role:admin or (role:member and project_id:%(member_id)s)"
_SEEN = "(project_id:%(project_id)s or project_id:%(member_id)s or 'public':%(visibility)s or 'community':%(visibility)s)"
VIEWER = f"role:admin or (role:reader and {_SEEN})"
DOWNLOADER = f"role:admin or (role:member and {_SEEN})"
READER_OR_SHARED = "role:admin or (role:reader and (project_id:%(project_id)s or project_id:%(member_id)s))"


def rule(name: str, check: str, description: str, *operations: str) -> policy.DocumentedRuleDefault:
    """Write one rule; operations are written `GET /v2/images`."""
    documented = [{"method": line.split(" ", 1)[0], "path": line.split(" ", 1)[1]} for line in operations]
    return policy.DocumentedRuleDefault(name, check, description, documented)


RULES: tuple[policy.RuleDefault, ...] = ()
