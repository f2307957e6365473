"""Rules on groups."""

from __future__ import annotations

from nova_lite.identity.policies.identity.rules import ADMIN, rule

RULES = (
    rule("list_groups", ADMIN, "GET", "/groups", "List groups."),
    rule("get_group", ADMIN, "GET", "/groups/{group_id}", "Show a group."),
    rule("create_group", ADMIN, "POST", "/groups", "Create a group."),
    rule("update_group", ADMIN, "PATCH", "/groups/{group_id}", "Change a group."),
    rule("delete_group", ADMIN, "DELETE", "/groups/{group_id}", "Delete a group."),
    rule("list_users_in_group", ADMIN, "GET", "/groups/{group_id}/users", "List the users in a group."),
    rule("check_user_in_group", ADMIN, "GET", "/groups/{group_id}/users/{user_id}", "Tell whether a user is in a group."),
    rule("add_user_to_group", ADMIN, "PUT", "/groups/{group_id}/users/{user_id}", "Put a user into a group."),
    rule("remove_user_from_group", ADMIN, "DELETE", "/groups/{group_id}/users/{user_id}", "Take a user out of a group."),
)
