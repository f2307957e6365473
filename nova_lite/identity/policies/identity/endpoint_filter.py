"""Rules on endpoint groups, endpoints of projects, and documents of policy."""

from __future__ import annotations

from nova_lite.identity.policies.identity.rules import ADMIN, rule

_GROUPS = "/OS-EP-FILTER/endpoint_groups"
_GROUP = _GROUPS + "/{endpoint_group_id}"
_IN_GROUP = _GROUP + "/projects/{project_id}"
_PROJECT = "/OS-EP-FILTER/projects/{project_id}"
_IN_PROJECT = _PROJECT + "/endpoints/{endpoint_id}"
_POLICY = "/policies/{policy_id}"
_FOR = _POLICY + "/OS-ENDPOINT-POLICY"
_ENDPOINT, _SERVICE = _FOR + "/endpoints/{endpoint_id}", _FOR + "/services/{service_id}"
_REGION = _SERVICE + "/regions/{region_id}"
RULES = (
    rule("list_endpoint_groups", ADMIN, "GET", _GROUPS, "List endpoint groups."),
    rule("get_endpoint_group", ADMIN, "GET", _GROUP, "Show an endpoint group."),
    rule("create_endpoint_group", ADMIN, "POST", _GROUPS, "Add an endpoint group."),
    rule("update_endpoint_group", ADMIN, "PATCH", _GROUP, "Change an endpoint group."),
    rule("delete_endpoint_group", ADMIN, "DELETE", _GROUP, "Remove an endpoint group."),
    rule("list_projects_associated_with_endpoint_group", ADMIN, "GET", _GROUP + "/projects", "List a group's projects."),
    rule("list_endpoints_associated_with_endpoint_group", ADMIN, "GET", _GROUP + "/endpoints", "List a group's endpoints."),
    rule("get_endpoint_group_in_project", ADMIN, "GET", _IN_GROUP, "Check a group of a project."),
    rule("add_endpoint_group_to_project", ADMIN, "PUT", _IN_GROUP, "Choose a group for a project."),
    rule("remove_endpoint_group_from_project", ADMIN, "DELETE", _IN_GROUP, "Take a group from a project."),
    rule("list_endpoint_groups_for_project", ADMIN, "GET", _PROJECT + "/endpoint_groups", "List a project's groups."),
    rule("list_projects_for_endpoint", ADMIN, "GET", "/OS-EP-FILTER/endpoints/{endpoint_id}/projects", "List its projects."),
    rule("list_endpoints_for_project", ADMIN, "GET", _PROJECT + "/endpoints", "List a project's endpoints."),
    rule("check_endpoint_in_project", ADMIN, "GET", _IN_PROJECT, "Check an endpoint of a project."),
    rule("add_endpoint_to_project", ADMIN, "PUT", _IN_PROJECT, "Choose an endpoint for a project."),
    rule("remove_endpoint_from_project", ADMIN, "DELETE", _IN_PROJECT, "Take an endpoint from a project."),
    rule("list_policies", ADMIN, "GET", "/policies", "List documents of policy."),
    rule("get_policy", ADMIN, "GET", _POLICY, "Show a document of policy."),
    rule("create_policy", ADMIN, "POST", "/policies", "Add a document of policy."),
    rule("update_policy", ADMIN, "PATCH", _POLICY, "Change a document of policy."),
    rule("delete_policy", ADMIN, "DELETE", _POLICY, "Remove a document of policy."),
    rule("list_endpoints_for_policy", ADMIN, "GET", _FOR + "/endpoints", "List the endpoints a document is meant for."),
    rule(
        "get_policy_for_endpoint",
        ADMIN,
        "GET",
        "/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy",
        "Show what is meant for it.",
    ),
    rule("check_policy_association_for_endpoint", ADMIN, "GET", _ENDPOINT, "Check what is meant for an endpoint."),
    rule("create_policy_association_for_endpoint", ADMIN, "PUT", _ENDPOINT, "Mean a document for an endpoint."),
    rule("delete_policy_association_for_endpoint", ADMIN, "DELETE", _ENDPOINT, "Mean it no longer."),
    rule("check_policy_association_for_service", ADMIN, "GET", _SERVICE, "Check what is meant for a service."),
    rule("create_policy_association_for_service", ADMIN, "PUT", _SERVICE, "Mean a document for a service."),
    rule("delete_policy_association_for_service", ADMIN, "DELETE", _SERVICE, "Mean it no longer."),
    rule("check_policy_association_for_region_and_service", ADMIN, "GET", _REGION, "Check what is meant in a region."),
    rule("create_policy_association_for_region_and_service", ADMIN, "PUT", _REGION, "Mean a document in a region."),
    rule("delete_policy_association_for_region_and_service", ADMIN, "DELETE", _REGION, "Mean it no longer."),
)
