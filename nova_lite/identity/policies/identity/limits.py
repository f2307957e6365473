"""Rules on registered limits and limits."""

from __future__ import annotations

from nova_lite.identity.policies.identity.rules import ADMIN, ANYONE, rule

_OWNER = "rule:admin_required or domain_id:%(target.limit.domain.id)s or project_id:%(target.limit.project_id)s"
_REGISTERED = "/registered_limits/{registered_limit_id}"
_LIMIT = "/limits/{limit_id}"
RULES = (
    rule("list_registered_limits", ANYONE, "GET", "/registered_limits", "List registered limits."),
    rule("get_registered_limit", ANYONE, "GET", _REGISTERED, "Show a registered limit."),
    rule("create_registered_limits", ADMIN, "POST", "/registered_limits", "Register limits."),
    rule("update_registered_limit", ADMIN, "PATCH", _REGISTERED, "Change a registered limit."),
    rule("delete_registered_limit", ADMIN, "DELETE", _REGISTERED, "Remove a registered limit."),
    rule("get_limit_model", ANYONE, "GET", "/limits/model", "Show how limits are enforced."),
    rule("list_limits", ANYONE, "GET", "/limits", "List the limits of one's project or domain."),
    rule("get_limit", _OWNER, "GET", _LIMIT, "Show a limit."),
    rule("create_limits", ADMIN, "POST", "/limits", "Add limits of projects and domains."),
    rule("update_limit", ADMIN, "PATCH", _LIMIT, "Change a limit."),
    rule("delete_limit", ADMIN, "DELETE", _LIMIT, "Remove a limit."),
)
