"""Rules on users."""

from __future__ import annotations

from nova_lite.identity.policies.identity.rules import ADMIN, OWN_USER, rule

RULES = (
    rule("list_users", ADMIN, "GET", "/users", "List users."),
    rule("get_user", OWN_USER, "GET", "/users/{user_id}", "Show a user."),
    rule("create_user", ADMIN, "POST", "/users", "Create a user."),
    rule("update_user", ADMIN, "PATCH", "/users/{user_id}", "Change a user."),
    rule("delete_user", ADMIN, "DELETE", "/users/{user_id}", "Delete a user."),
    rule("list_user_projects", OWN_USER, "GET", "/users/{user_id}/projects", "List the projects of a user."),
    rule("list_groups_for_user", OWN_USER, "GET", "/users/{user_id}/groups", "List the groups of a user."),
)
