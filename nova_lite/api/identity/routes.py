"""The URL table of the Identity API."""

from __future__ import annotations

from nova_lite.api.identity import (
    access_rules,
    assignments,
    auth,
    catalog,
    credentials,
    domains,
    grants,
    groups,
    inferences,
    projects,
    roles,
    tags,
    users,
)
from nova_lite.api.identity.extension_routes import EXTENSIONS
from nova_lite.api.identity.schemas import auth as auth_schemas
from nova_lite.api.identity.schemas import catalog as catalog_schemas
from nova_lite.api.identity.schemas import projects as project_schemas
from nova_lite.api.identity.schemas import roles as role_schemas
from nova_lite.api.identity.schemas import users as user_schemas
from nova_lite.api.route import Route

AUTH = (
    Route("POST", "/auth/tokens", auth.create_token, token=False, body=auth_schemas.LOGIN, kept=False),
    Route("GET", "/auth/tokens", auth.show_token, rule="identity:validate_token"),
    Route("HEAD", "/auth/tokens", auth.show_token, rule="identity:check_token"),
    Route("DELETE", "/auth/tokens", auth.revoke_token, rule="identity:revoke_token"),
    Route("GET", "/auth/catalog", auth.show_catalog, rule="identity:get_auth_catalog"),
    Route("GET", "/auth/projects", auth.list_projects, rule="identity:get_auth_projects"),
    Route("GET", "/auth/domains", auth.list_domains, rule="identity:get_auth_domains"),
    Route("GET", "/auth/system", auth.list_systems, rule="identity:get_auth_system"),
)

_USER = "/users/{user_id}"
_CREDENTIALS = _USER + "/application_credentials"
_CREDENTIAL = _CREDENTIALS + "/{application_credential_id}"
USERS = (
    Route("GET", "/users", users.list_users, rule="identity:list_users", by_handler=True),
    Route("POST", "/users", users.create_user, rule="identity:create_user", body=user_schemas.CREATE_USER, by_handler=True),
    Route("GET", _USER, users.show_user, rule="identity:get_user", by_handler=True),
    Route("PATCH", _USER, users.update_user, rule="identity:update_user", body=user_schemas.UPDATE_USER, by_handler=True),
    Route("DELETE", _USER, users.delete_user, rule="identity:delete_user", by_handler=True),
    Route("POST", _USER + "/password", auth.change_password, token=False, body=user_schemas.CHANGE_PASSWORD),
    Route("GET", _USER + "/projects", users.list_user_projects, rule="identity:list_user_projects", by_handler=True),
    Route("GET", _USER + "/groups", groups.list_groups_of_user, rule="identity:list_groups_for_user", by_handler=True),
    Route("GET", _CREDENTIALS, credentials.list_credentials, rule="identity:list_application_credentials"),
    Route(
        "POST",
        _CREDENTIALS,
        credentials.create_credential,
        rule="identity:create_application_credential",
        body=user_schemas.CREATE_CREDENTIAL,
    ),
    Route("GET", _CREDENTIAL, credentials.show_credential, rule="identity:get_application_credential"),
    Route("DELETE", _CREDENTIAL, credentials.delete_credential, rule="identity:delete_application_credential"),
)

_ACCESS_RULES = _USER + "/access_rules"
_ACCESS_RULE = _ACCESS_RULES + "/{access_rule_id}"
ACCESS_RULES = (
    Route("GET", _ACCESS_RULES, access_rules.list_rules, rule="identity:list_access_rules"),
    Route("GET", _ACCESS_RULE, access_rules.show_rule, rule="identity:get_access_rule"),
    Route("DELETE", _ACCESS_RULE, access_rules.delete_rule, rule="identity:delete_access_rule"),
)

_GROUP = "/groups/{group_id}"
_MEMBER = _GROUP + "/users/{user_id}"
GROUPS = (
    Route("GET", "/groups", groups.list_groups, rule="identity:list_groups", by_handler=True),
    Route(
        "POST", "/groups", groups.create_group, rule="identity:create_group", body=user_schemas.CREATE_GROUP, by_handler=True
    ),
    Route("GET", _GROUP, groups.show_group, rule="identity:get_group", by_handler=True),
    Route("PATCH", _GROUP, groups.update_group, rule="identity:update_group", body=user_schemas.UPDATE_GROUP, by_handler=True),
    Route("DELETE", _GROUP, groups.delete_group, rule="identity:delete_group", by_handler=True),
    Route("GET", _GROUP + "/users", groups.list_members, rule="identity:list_users_in_group", by_handler=True),
    Route("GET", _MEMBER, groups.check_member, rule="identity:check_user_in_group", by_handler=True),
    Route("PUT", _MEMBER, groups.add_member, rule="identity:add_user_to_group", by_handler=True),
    Route("DELETE", _MEMBER, groups.remove_member, rule="identity:remove_user_from_group", by_handler=True),
)

_PROJECT, _DOMAIN = "/projects/{project_id}", "/domains/{domain_id}"
_TAGS = _PROJECT + "/tags"
_TAG = _TAGS + "/{value}"
PROJECTS = (
    Route("GET", "/projects", projects.list_projects, rule="identity:list_projects", by_handler=True),
    Route(
        "POST",
        "/projects",
        projects.create_project,
        rule="identity:create_project",
        body=project_schemas.CREATE_PROJECT,
        by_handler=True,
    ),
    Route("GET", _PROJECT, projects.show_project, rule="identity:get_project", by_handler=True),
    Route(
        "PATCH",
        _PROJECT,
        projects.update_project,
        rule="identity:update_project",
        body=project_schemas.UPDATE_PROJECT,
        by_handler=True,
    ),
    Route("DELETE", _PROJECT, projects.delete_project, rule="identity:delete_project", by_handler=True),
    Route("GET", _TAGS, tags.list_tags, rule="identity:list_project_tags", by_handler=True),
    Route(
        "PUT",
        _TAGS,
        tags.replace_tags,
        rule="identity:update_project_tags",
        body=project_schemas.REPLACE_TAGS,
        by_handler=True,
    ),
    Route("DELETE", _TAGS, tags.delete_tags, rule="identity:delete_project_tags", by_handler=True),
    Route("GET", _TAG, tags.show_tag, rule="identity:get_project_tag", by_handler=True),
    Route("PUT", _TAG, tags.add_tag, rule="identity:create_project_tag", by_handler=True),
    Route("DELETE", _TAG, tags.delete_tag, rule="identity:delete_project_tag", by_handler=True),
    Route("GET", "/domains", domains.list_domains, rule="identity:list_domains", by_handler=True),
    Route("POST", "/domains", domains.create_domain, rule="identity:create_domain", body=project_schemas.CREATE_DOMAIN),
    Route("GET", _DOMAIN, domains.show_domain, rule="identity:get_domain", by_handler=True),
    Route("PATCH", _DOMAIN, domains.update_domain, rule="identity:update_domain", body=project_schemas.UPDATE_DOMAIN),
    Route("DELETE", _DOMAIN, domains.delete_domain, rule="identity:delete_domain"),
)

_ROLE = "/roles/{role_id}"
_IMPLIES = "/roles/{prior_role_id}/implies"
_IMPLIED = _IMPLIES + "/{implied_role_id}"
ROLES = (
    Route("GET", "/roles", roles.list_roles, rule="identity:list_roles", by_handler=True),
    Route("POST", "/roles", roles.create_role, rule="identity:create_role", body=role_schemas.CREATE_ROLE, by_handler=True),
    Route("GET", _ROLE, roles.show_role, rule="identity:get_role", by_handler=True),
    Route("PATCH", _ROLE, roles.update_role, rule="identity:update_role", body=role_schemas.UPDATE_ROLE, by_handler=True),
    Route("DELETE", _ROLE, roles.delete_role, rule="identity:delete_role", by_handler=True),
    Route("GET", _IMPLIES, inferences.list_implied, rule="identity:list_implied_roles"),
    Route("GET", _IMPLIED, inferences.show_implied, rule="identity:get_implied_role"),
    Route("HEAD", _IMPLIED, inferences.check_implied, rule="identity:check_implied_role"),
    Route("PUT", _IMPLIED, inferences.create_implied, rule="identity:create_implied_role"),
    Route("DELETE", _IMPLIED, inferences.delete_implied, rule="identity:delete_implied_role"),
    Route("GET", "/role_inferences", inferences.list_inferences, rule="identity:list_role_inference_rules"),
    Route(
        "GET", "/role_assignments", assignments.list_role_assignments, rule="identity:list_role_assignments", by_handler=True
    ),
)


def _grants(actor: str, rules: tuple[str, str, str, str]) -> tuple[Route, ...]:
    """Give the four routes of giving roles to one kind of actor; the rules list, check, create and revoke."""
    one = actor + "/roles/{role_id}"
    return (Route("GET", actor + "/roles", grants.list_grants, rule=rules[0], by_handler=True), *_grant(one, rules[1:]))


def _grant(one: str, rules: tuple[str, str, str]) -> tuple[Route, ...]:
    """Give the three routes of one assignment; the rules check, create and revoke."""
    return (
        Route("GET", one, grants.check_grant, rule=rules[0], by_handler=True),
        Route("PUT", one, grants.create_grant, rule=rules[1], by_handler=True),
        Route("DELETE", one, grants.revoke_grant, rule=rules[2], by_handler=True),
    )


def _inherited(actor: str) -> tuple[Route, ...]:
    """Give the routes of what one kind of actor is given for all projects below a domain or project."""
    one = _grant(f"/OS-INHERIT{actor}/roles/{{role_id}}{grants.INHERITED}", _GRANT[1:])
    if actor.startswith(_PROJECT):
        return one
    every = f"/OS-INHERIT{actor}/roles{grants.INHERITED}"
    return (Route("GET", every, grants.list_grants, rule=_GRANT[0], by_handler=True), *one)


_GRANT = ("identity:list_grants", "identity:check_grant", "identity:create_grant", "identity:revoke_grant")
_SYSTEM_USER = (
    "identity:list_system_grants_for_user",
    "identity:check_system_grant_for_user",
    "identity:create_system_grant_for_user",
    "identity:revoke_system_grant_for_user",
)
_SYSTEM_GROUP = (
    "identity:list_system_grants_for_group",
    "identity:check_system_grant_for_group",
    "identity:create_system_grant_for_group",
    "identity:revoke_system_grant_for_group",
)
GRANTS = (
    *_grants(_PROJECT + _USER, _GRANT),
    *_grants(_PROJECT + _GROUP, _GRANT),
    *_grants(_DOMAIN + _USER, _GRANT),
    *_grants(_DOMAIN + _GROUP, _GRANT),
    *_grants("/system" + _USER, _SYSTEM_USER),
    *_grants("/system" + _GROUP, _SYSTEM_GROUP),
    *_inherited(_PROJECT + _USER),
    *_inherited(_PROJECT + _GROUP),
    *_inherited(_DOMAIN + _USER),
    *_inherited(_DOMAIN + _GROUP),
)

_REGION, _SERVICE, _ENDPOINT = "/regions/{region_id}", "/services/{service_id}", "/endpoints/{endpoint_id}"
CATALOG = (
    Route("GET", "/regions", catalog.list_regions, rule="identity:list_regions"),
    Route("POST", "/regions", catalog.create_region, rule="identity:create_region", body=catalog_schemas.CREATE_REGION),
    Route("GET", _REGION, catalog.show_region, rule="identity:get_region"),
    Route("PUT", _REGION, catalog.create_region, rule="identity:create_region", body=catalog_schemas.CREATE_REGION),
    Route("PATCH", _REGION, catalog.update_region, rule="identity:update_region", body=catalog_schemas.UPDATE_REGION),
    Route("DELETE", _REGION, catalog.delete_region, rule="identity:delete_region"),
    Route("GET", "/services", catalog.list_services, rule="identity:list_services"),
    Route("POST", "/services", catalog.create_service, rule="identity:create_service", body=catalog_schemas.CREATE_SERVICE),
    Route("GET", _SERVICE, catalog.show_service, rule="identity:get_service"),
    Route("PATCH", _SERVICE, catalog.update_service, rule="identity:update_service", body=catalog_schemas.UPDATE_SERVICE),
    Route("DELETE", _SERVICE, catalog.delete_service, rule="identity:delete_service"),
    Route("GET", "/endpoints", catalog.list_endpoints, rule="identity:list_endpoints"),
    Route("POST", "/endpoints", catalog.create_endpoint, rule="identity:create_endpoint", body=catalog_schemas.CREATE_ENDPOINT),
    Route("GET", _ENDPOINT, catalog.show_endpoint, rule="identity:get_endpoint"),
    Route("PATCH", _ENDPOINT, catalog.update_endpoint, rule="identity:update_endpoint", body=catalog_schemas.UPDATE_ENDPOINT),
    Route("DELETE", _ENDPOINT, catalog.delete_endpoint, rule="identity:delete_endpoint"),
)

ROUTES: tuple[Route, ...] = (*AUTH, *USERS, *ACCESS_RULES, *GROUPS, *PROJECTS, *ROLES, *GRANTS, *CATALOG, *EXTENSIONS)
