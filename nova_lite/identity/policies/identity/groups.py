"""Rules on groups."""

from __future__ import annotations

from nova_lite.identity.policies.identity.rules import (
    ADMIN_OR_GROUPS_MANAGER,
    GROUPS_READER,
    USERS_MANAGER,
    USERS_READER,
    rule,
)

_READER = f"rule:admin_required or ({GROUPS_READER})"
_MEMBER_READER = f"rule:admin_required or ({GROUPS_READER} and {USERS_READER})"
_MEMBER_MANAGER = f"rule:admin_required or ({USERS_MANAGER} and domain_id:%(target.group.domain_id)s)"

RULES = (
    rule("list_groups", _READER, "GET", "/groups", "List groups."),
    rule("get_group", _READER, "GET", "/groups/{group_id}", "Show a group."),
    rule("create_group", ADMIN_OR_GROUPS_MANAGER, "POST", "/groups", "Create a group."),
    rule("update_group", ADMIN_OR_GROUPS_MANAGER, "PATCH", "/groups/{group_id}", "Change a group."),
    rule("delete_group", ADMIN_OR_GROUPS_MANAGER, "DELETE", "/groups/{group_id}", "Delete a group."),
    rule("list_users_in_group", _READER, "GET", "/groups/{group_id}/users", "List the users in a group."),
    rule(
        "check_user_in_group", _MEMBER_READER, "GET", "/groups/{group_id}/users/{user_id}", "Tell whether a user is in a group."
    ),
    rule("add_user_to_group", _MEMBER_MANAGER, "PUT", "/groups/{group_id}/users/{user_id}", "Put a user into a group."),
    rule(
        "remove_user_from_group", _MEMBER_MANAGER, "DELETE", "/groups/{group_id}/users/{user_id}", "Take a user out of a group."
    ),
)
