"""Rules on users."""

from __future__ import annotations

from nova_lite.identity.policies.identity.rules import ADMIN_OR_USERS_MANAGER, DOMAIN_READER, OWN_USER_OR_READER, rule

RULES = (
    rule("list_users", f"rule:admin_required or ({DOMAIN_READER})", "GET", "/users", "List users."),
    rule("get_user", OWN_USER_OR_READER, "GET", "/users/{user_id}", "Show a user."),
    rule("create_user", ADMIN_OR_USERS_MANAGER, "POST", "/users", "Create a user."),
    rule("update_user", ADMIN_OR_USERS_MANAGER, "PATCH", "/users/{user_id}", "Change a user."),
    rule("delete_user", ADMIN_OR_USERS_MANAGER, "DELETE", "/users/{user_id}", "Delete a user."),
    rule("list_user_projects", OWN_USER_OR_READER, "GET", "/users/{user_id}/projects", "List the projects of a user."),
    rule("list_groups_for_user", OWN_USER_OR_READER, "GET", "/users/{user_id}/groups", "List the groups of a user."),
)
