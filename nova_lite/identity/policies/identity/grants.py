"""Rules on role assignments."""

from __future__ import annotations

from nova_lite.identity.policies.identity.rules import ADMIN, DOMAIN_READER, rule

# With a token of a domain: actor and target are both of that domain.
_WITHIN = (
    "(domain_id:%(target.user.domain_id)s or domain_id:%(target.group.domain_id)s)"
    " and (domain_id:%(target.project.domain_id)s or domain_id:%(target.domain.id)s)"
)
_ROLE_WITHIN = "(domain_id:%(target.role.domain_id)s or None:%(target.role.domain_id)s)"
_LIST = f"rule:admin_required or (role:reader and {_WITHIN})"
_CHECK = f"rule:admin_required or (role:reader and {_WITHIN} and {_ROLE_WITHIN})"
_CHANGE = f"rule:admin_required or (role:manager and {_WITHIN} and rule:domain_managed_target_role)"
_ASSIGNMENTS = f"rule:admin_required or ({DOMAIN_READER})"

RULES = (
    rule("list_role_assignments", _ASSIGNMENTS, "GET", "/role_assignments", "List who has which role where."),
    rule(
        "list_role_assignments_for_tree",
        _ASSIGNMENTS,
        "GET",
        "/role_assignments?include_subtree",
        "List who has which role in a project and those below it.",
    ),
    rule(
        "list_grants",
        _LIST,
        "GET",
        "/projects/{project_id}/users/{user_id}/roles",
        "List the roles of a user or group on a project or domain.",
    ),
    rule(
        "check_grant", _CHECK, "GET", "/projects/{project_id}/users/{user_id}/roles/{role_id}", "Tell whether a role was given."
    ),
    rule(
        "create_grant",
        _CHANGE,
        "PUT",
        "/projects/{project_id}/users/{user_id}/roles/{role_id}",
        "Give a role on a project or domain.",
    ),
    rule("revoke_grant", _CHANGE, "DELETE", "/projects/{project_id}/users/{user_id}/roles/{role_id}", "Take a role away."),
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
