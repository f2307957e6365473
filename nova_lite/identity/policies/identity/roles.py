"""Rules on roles."""

from __future__ import annotations

from nova_lite.identity.policies.identity.rules import ADMIN, rule

# Keystone lets managers of projects see single roles too; here it takes a token of a domain, as for the list.
_DOMAIN_MANAGER = "role:manager and not domain_id:None"

RULES = (
    rule("list_roles", f"rule:admin_required or ({_DOMAIN_MANAGER})", "GET", "/roles", "List roles."),
    rule(
        "get_role",
        f"rule:admin_required or ({_DOMAIN_MANAGER} and rule:domain_managed_target_role)",
        "GET",
        "/roles/{role_id}",
        "Show a role.",
    ),
    rule("list_domain_roles", ADMIN, "GET", "/roles?domain_id={domain_id}", "List the roles of a domain."),
    rule("get_domain_role", ADMIN, "GET", "/roles/{role_id}", "Show a role of a domain."),
    rule("create_domain_role", ADMIN, "POST", "/roles", "Create a role of a domain."),
    rule("update_domain_role", ADMIN, "PATCH", "/roles/{role_id}", "Change a role of a domain."),
    rule("delete_domain_role", ADMIN, "DELETE", "/roles/{role_id}", "Delete a role of a domain."),
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
    rule(
        "check_implied_role",
        ADMIN,
        "HEAD",
        "/roles/{prior_role_id}/implies/{implied_role_id}",
        "Tell whether a role implies another.",
    ),
    rule("create_implied_role", ADMIN, "PUT", "/roles/{prior_role_id}/implies/{implied_role_id}", "Let a role imply another."),
    rule("delete_implied_role", ADMIN, "DELETE", "/roles/{prior_role_id}/implies/{implied_role_id}", "End an implication."),
    rule("list_role_inference_rules", ADMIN, "GET", "/role_inferences", "List all implications."),
)
