"""Rules on role assignments."""

from __future__ import annotations

from nova_lite.identity.policies.identity.rules import ADMIN, rule

RULES = (
    rule("list_role_assignments", ADMIN, "GET", "/role_assignments", "List who has which role where."),
    rule(
        "list_grants",
        ADMIN,
        "GET",
        "/projects/{project_id}/users/{user_id}/roles",
        "List the roles of a user or group on a project or domain.",
    ),
    rule(
        "check_grant", ADMIN, "GET", "/projects/{project_id}/users/{user_id}/roles/{role_id}", "Tell whether a role was given."
    ),
    rule(
        "create_grant",
        ADMIN,
        "PUT",
        "/projects/{project_id}/users/{user_id}/roles/{role_id}",
        "Give a role on a project or domain.",
    ),
    rule("revoke_grant", ADMIN, "DELETE", "/projects/{project_id}/users/{user_id}/roles/{role_id}", "Take a role away."),
    rule("list_system_grants_for_user", ADMIN, "GET", "/system/users/{user_id}/roles", "List a user's roles on the system."),
    rule(
        "check_system_grant_for_user",
        ADMIN,
        "GET",
        "/system/users/{user_id}/roles/{role_id}",
        "Tell whether a user has a role on the system.",
    ),
    rule(
        "create_system_grant_for_user",
        ADMIN,
        "PUT",
        "/system/users/{user_id}/roles/{role_id}",
        "Give a user a role on the system.",
    ),
    rule(
        "revoke_system_grant_for_user",
        ADMIN,
        "DELETE",
        "/system/users/{user_id}/roles/{role_id}",
        "Take a role on the system away from a user.",
    ),
    rule(
        "list_system_grants_for_group", ADMIN, "GET", "/system/groups/{group_id}/roles", "List a group's roles on the system."
    ),
    rule(
        "check_system_grant_for_group",
        ADMIN,
        "GET",
        "/system/groups/{group_id}/roles/{role_id}",
        "Tell whether a group has a role on the system.",
    ),
    rule(
        "create_system_grant_for_group",
        ADMIN,
        "PUT",
        "/system/groups/{group_id}/roles/{role_id}",
        "Give a group a role on the system.",
    ),
    rule(
        "revoke_system_grant_for_group",
        ADMIN,
        "DELETE",
        "/system/groups/{group_id}/roles/{role_id}",
        "Take a role on the system away from a group.",
    ),
)
