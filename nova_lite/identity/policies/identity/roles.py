"""Rules on roles."""

from __future__ import annotations

from nova_lite.identity.policies.identity.rules import ADMIN, rule

RULES = (
    rule("list_roles", ADMIN, "GET", "/roles", "List roles."),
    rule("get_role", ADMIN, "GET", "/roles/{role_id}", "Show a role."),
    rule("create_role", ADMIN, "POST", "/roles", "Create a role."),
    rule("update_role", ADMIN, "PATCH", "/roles/{role_id}", "Change a role."),
    rule("delete_role", ADMIN, "DELETE", "/roles/{role_id}", "Delete a role."),
    rule("list_implied_roles", ADMIN, "GET", "/roles/{prior_role_id}/implies", "List the roles that a role implies."),
    rule(
        "get_implied_role",
        ADMIN,
        "GET",
        "/roles/{prior_role_id}/implies/{implied_role_id}",
        "Show that a role implies another.",
    ),
    rule("create_implied_role", ADMIN, "PUT", "/roles/{prior_role_id}/implies/{implied_role_id}", "Let a role imply another."),
    rule("delete_implied_role", ADMIN, "DELETE", "/roles/{prior_role_id}/implies/{implied_role_id}", "End an implication."),
    rule("list_role_inference_rules", ADMIN, "GET", "/role_inferences", "List all implications."),
)
