"""The URL table of what hangs beside Identity's records: credentials, limits, delegation, filters, and what is left out."""

from __future__ import annotations

from nova_lite.api.identity import (
    auth,
    domain_config,
    ec2,
    endpoint_filter,
    limits,
    not_offered,
    oauth,
    policies,
    stored_credentials,
    trusts,
)
from nova_lite.api.identity.schemas import delegation as delegation_schemas
from nova_lite.api.identity.schemas import limits as limit_schemas
from nova_lite.api.route import Route

_USER, _CREDENTIAL = "/users/{user_id}", "/credentials/{credential_id}"
_PAIRS = _USER + "/credentials/OS-EC2"
_PAIR = _PAIRS + "/{credential_id}"
CREDENTIALS = (
    Route("GET", "/credentials", stored_credentials.list_credentials, rule="identity:list_credentials"),
    Route(
        "POST",
        "/credentials",
        stored_credentials.create_credential,
        rule="identity:create_credential",
        body=delegation_schemas.CREATE_CREDENTIAL,
    ),
    Route("GET", _CREDENTIAL, stored_credentials.show_credential, rule="identity:get_credential"),
    Route(
        "PATCH",
        _CREDENTIAL,
        stored_credentials.update_credential,
        rule="identity:update_credential",
        body=delegation_schemas.UPDATE_CREDENTIAL,
    ),
    Route("DELETE", _CREDENTIAL, stored_credentials.delete_credential, rule="identity:delete_credential"),
    Route("GET", _PAIRS, ec2.list_key_pairs, rule="identity:ec2_list_credentials"),
    Route("POST", _PAIRS, ec2.create_key_pair, rule="identity:ec2_create_credential", body=delegation_schemas.CREATE_KEY_PAIR),
    Route("GET", _PAIR, ec2.show_key_pair, rule="identity:ec2_get_credential"),
    Route("DELETE", _PAIR, ec2.delete_key_pair, rule="identity:ec2_delete_credential"),
    Route(
        "POST",
        "/ec2tokens",
        ec2.create_ec2_token,
        rule="identity:ec2tokens_validate",
        body=delegation_schemas.SIGNED,
        kept=False,
    ),
    Route(
        "POST", "/s3tokens", ec2.create_s3_token, rule="identity:s3tokens_validate", body=delegation_schemas.SIGNED, kept=False
    ),
)

_REGISTERED, _LIMIT = "/registered_limits/{registered_limit_id}", "/limits/{limit_id}"
LIMITS = (
    Route("GET", "/registered_limits", limits.list_registered, rule="identity:list_registered_limits"),
    Route(
        "POST",
        "/registered_limits",
        limits.create_registered,
        rule="identity:create_registered_limits",
        body=limit_schemas.CREATE_REGISTERED,
    ),
    Route("GET", _REGISTERED, limits.show_registered, rule="identity:get_registered_limit"),
    Route(
        "PATCH",
        _REGISTERED,
        limits.update_registered,
        rule="identity:update_registered_limit",
        body=limit_schemas.UPDATE_REGISTERED,
    ),
    Route("DELETE", _REGISTERED, limits.delete_registered, rule="identity:delete_registered_limit"),
    Route("GET", "/limits/model", limits.show_model, rule="identity:get_limit_model"),
    Route("GET", "/limits", limits.list_limits, rule="identity:list_limits"),
    Route("POST", "/limits", limits.create_limits, rule="identity:create_limits", body=limit_schemas.CREATE_LIMITS),
    Route("GET", _LIMIT, limits.show_limit, rule="identity:get_limit"),
    Route("PATCH", _LIMIT, limits.update_limit, rule="identity:update_limit", body=limit_schemas.UPDATE_LIMIT),
    Route("DELETE", _LIMIT, limits.delete_limit, rule="identity:delete_limit"),
)

_CONSUMER = "/OS-OAUTH1/consumers/{consumer_id}"
_AUTHORIZE = "/OS-OAUTH1/authorize/{request_token_id}"
_TOKENS = _USER + "/OS-OAUTH1/access_tokens"
_TOKEN = _TOKENS + "/{access_token_id}"
OAUTH = (
    Route("GET", "/OS-OAUTH1/consumers", oauth.list_consumers, rule="identity:list_consumers"),
    Route(
        "POST",
        "/OS-OAUTH1/consumers",
        oauth.create_consumer,
        rule="identity:create_consumer",
        body=delegation_schemas.CREATE_CONSUMER,
    ),
    Route("GET", _CONSUMER, oauth.show_consumer, rule="identity:get_consumer"),
    Route("PATCH", _CONSUMER, oauth.update_consumer, rule="identity:update_consumer", body=delegation_schemas.UPDATE_CONSUMER),
    Route("DELETE", _CONSUMER, oauth.delete_consumer, rule="identity:delete_consumer"),
    Route("POST", "/OS-OAUTH1/request_token", oauth.create_request_token, token=False, kept=False),
    Route("POST", "/OS-OAUTH1/access_token", oauth.create_access_token, token=False, kept=False),
    Route("GET", _AUTHORIZE, oauth.refuse_page),
    Route("PUT", _AUTHORIZE, oauth.authorize, rule="identity:authorize_request_token", body=delegation_schemas.AUTHORIZE),
    Route("GET", _TOKENS, oauth.list_access_tokens, rule="identity:list_access_tokens"),
    Route("GET", _TOKEN, oauth.show_access_token, rule="identity:get_access_token"),
    Route("DELETE", _TOKEN, oauth.delete_access_token, rule="identity:delete_access_token"),
    Route("GET", _TOKEN + "/roles", oauth.list_roles, rule="identity:list_access_token_roles"),
    Route("GET", _TOKEN + "/roles/{role_id}", oauth.show_role, rule="identity:get_access_token_role"),
)

_TRUST = "/OS-TRUST/trusts/{trust_id}"
TRUSTS = (
    Route("GET", "/OS-TRUST/trusts", trusts.list_trusts, rule="identity:list_trusts_for_trustor"),  # the handler says which
    Route("POST", "/OS-TRUST/trusts", trusts.create_trust, rule="identity:create_trust", body=delegation_schemas.CREATE_TRUST),
    Route("GET", _TRUST, trusts.show_trust, rule="identity:get_trust"),
    Route("DELETE", _TRUST, trusts.delete_trust, rule="identity:delete_trust"),
    Route("GET", _TRUST + "/roles", trusts.list_roles, rule="identity:list_roles_for_trust"),
    Route("GET", _TRUST + "/roles/{role_id}", trusts.show_role, rule="identity:get_role_for_trust"),
)

_GROUPS = "/OS-EP-FILTER/endpoint_groups"
_GROUP = _GROUPS + "/{endpoint_group_id}"
_IN_GROUP = _GROUP + "/projects/{project_id}"
_PROJECT = "/OS-EP-FILTER/projects/{project_id}"
_IN_PROJECT = _PROJECT + "/endpoints/{endpoint_id}"
FILTERS = (
    Route("GET", _GROUPS, endpoint_filter.list_groups, rule="identity:list_endpoint_groups"),
    Route(
        "POST", _GROUPS, endpoint_filter.create_group, rule="identity:create_endpoint_group", body=limit_schemas.CREATE_GROUP
    ),
    Route("GET", _GROUP, endpoint_filter.show_group, rule="identity:get_endpoint_group"),
    Route(
        "PATCH", _GROUP, endpoint_filter.update_group, rule="identity:update_endpoint_group", body=limit_schemas.UPDATE_GROUP
    ),
    Route("DELETE", _GROUP, endpoint_filter.delete_group, rule="identity:delete_endpoint_group"),
    Route(
        "GET",
        _GROUP + "/endpoints",
        endpoint_filter.list_endpoints_of_group,
        rule="identity:list_endpoints_associated_with_endpoint_group",
    ),
    Route(
        "GET",
        _GROUP + "/projects",
        endpoint_filter.list_projects_of_group,
        rule="identity:list_projects_associated_with_endpoint_group",
    ),
    Route("GET", _IN_GROUP, endpoint_filter.check_group_in_project, rule="identity:get_endpoint_group_in_project"),
    Route("PUT", _IN_GROUP, endpoint_filter.add_group_to_project, rule="identity:add_endpoint_group_to_project"),
    Route("DELETE", _IN_GROUP, endpoint_filter.remove_group_from_project, rule="identity:remove_endpoint_group_from_project"),
    Route(
        "GET",
        "/OS-EP-FILTER/endpoints/{endpoint_id}/projects",
        endpoint_filter.list_projects_of_endpoint,
        rule="identity:list_projects_for_endpoint",
    ),
    Route(
        "GET",
        _PROJECT + "/endpoint_groups",
        endpoint_filter.list_groups_of_project,
        rule="identity:list_endpoint_groups_for_project",
    ),
    Route(
        "GET", _PROJECT + "/endpoints", endpoint_filter.list_endpoints_of_project, rule="identity:list_endpoints_for_project"
    ),
    Route("GET", _IN_PROJECT, endpoint_filter.check_endpoint, rule="identity:check_endpoint_in_project"),
    Route("PUT", _IN_PROJECT, endpoint_filter.add_endpoint, rule="identity:add_endpoint_to_project"),
    Route("DELETE", _IN_PROJECT, endpoint_filter.remove_endpoint, rule="identity:remove_endpoint_from_project"),
)

_POLICY = "/policies/{policy_id}"
_MEANT = _POLICY + "/OS-ENDPOINT-POLICY"
_SERVICE = "/services/{service_id}"


def _associations(place: str, kind: str) -> tuple[Route, ...]:
    """Give the three routes of what a document is meant for."""
    path, rule = _MEANT + place, f"policy_association_for_{kind}"
    return (
        Route("GET", path, policies.check_association, rule=f"identity:check_{rule}"),
        Route("PUT", path, policies.create_association, rule=f"identity:create_{rule}"),
        Route("DELETE", path, policies.delete_association, rule=f"identity:delete_{rule}"),
    )


POLICIES = (
    Route("GET", "/policies", policies.list_policies, rule="identity:list_policies"),
    Route("POST", "/policies", policies.create_policy, rule="identity:create_policy", body=limit_schemas.CREATE_POLICY),
    Route("GET", _POLICY, policies.show_policy, rule="identity:get_policy"),
    Route("PATCH", _POLICY, policies.update_policy, rule="identity:update_policy", body=limit_schemas.UPDATE_POLICY),
    Route("DELETE", _POLICY, policies.delete_policy, rule="identity:delete_policy"),
    Route("GET", _MEANT + "/endpoints", policies.list_endpoints, rule="identity:list_endpoints_for_policy"),
    Route(
        "GET",
        "/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy",
        policies.show_policy_of_endpoint,
        rule="identity:get_policy_for_endpoint",
    ),
    *_associations("/endpoints/{endpoint_id}", "endpoint"),
    *_associations(_SERVICE, "service"),
    *_associations(_SERVICE + "/regions/{region_id}", "region_and_service"),
)

_FEDERATION = "/OS-FEDERATION"
_PROTOCOLS = _FEDERATION + "/identity_providers/{idp_id}/protocols"


def _things(several: str, one: str, every: str, single: str) -> tuple[Route, ...]:
    """Give the five routes of one kind of thing that there never is."""
    find = not_offered.nothing(one.replace("_", " "))
    return (
        Route("GET", every, not_offered.empty_list(several), rule=f"identity:list_{several}"),
        Route("GET", single, find, rule=f"identity:get_{one}"),
        Route("PUT", single, not_offered.refuse, rule=f"identity:create_{one}"),
        Route("PATCH", single, find, rule=f"identity:update_{one}"),
        Route("DELETE", single, find, rule=f"identity:delete_{one}"),
    )


def _both(path: str) -> tuple[Route, ...]:
    """Give the two routes of a way to log in that there is not."""
    find = not_offered.nothing("identity provider")
    return Route("GET", path, find), Route("POST", path, find)


NOT_OFFERED = (
    *_things(
        "identity_providers",
        "identity_provider",
        _FEDERATION + "/identity_providers",
        _FEDERATION + "/identity_providers/{idp_id}",
    ),
    *_things("protocols", "protocol", _PROTOCOLS, _PROTOCOLS + "/{protocol_id}"),
    *_things("mappings", "mapping", _FEDERATION + "/mappings", _FEDERATION + "/mappings/{mapping_id}"),
    *_things(
        "service_providers",
        "service_provider",
        _FEDERATION + "/service_providers",
        _FEDERATION + "/service_providers/{service_provider_id}",
    ),
    *_both(_PROTOCOLS + "/{protocol_id}/auth"),
    *_both("/auth" + _PROTOCOLS + "/{protocol_id}/websso"),
    *_both("/auth/OS-FEDERATION/websso/{protocol_id}"),
    *_both("/auth/OS-FEDERATION/saml2"),
    *_both("/auth/OS-FEDERATION/saml2/ecp"),
    Route("GET", _FEDERATION + "/saml2/metadata", not_offered.nothing("SAML metadata")),
    Route("GET", _FEDERATION + "/domains", auth.list_domains, rule="identity:get_auth_domains"),
    Route("GET", _FEDERATION + "/projects", auth.list_projects, rule="identity:get_auth_projects"),
    Route("POST", "/OS-OAUTH2/token", not_offered.refuse_oauth2, token=False, kept=False),
    Route("GET", "/OS-REVOKE/events", not_offered.list_events, rule="identity:list_revoke_events"),
)

_CONFIG = "/domains/{domain_id}/config"
_DEFAULT_RULE = "identity:get_domain_config_default"
_PLACES = ("", "/{group}", "/{group}/{option}")
DOMAIN_CONFIG = (
    Route("GET", "/domains/config/default", domain_config.show_default, rule=_DEFAULT_RULE),
    Route("GET", "/domains/config/{group}/default", domain_config.show_default, rule=_DEFAULT_RULE),
    Route("GET", "/domains/config/{group}/{option}/default", domain_config.show_default, rule=_DEFAULT_RULE),
    Route("PUT", _CONFIG, domain_config.replace_config, rule="identity:create_domain_config", body=limit_schemas.DOMAIN_CONFIG),
    *(
        route
        for path in (_CONFIG + place for place in _PLACES)
        for route in (
            Route("GET", path, domain_config.show_config, rule="identity:get_domain_config", by_handler=True),
            Route(
                "PATCH",
                path,
                domain_config.update_config,
                rule="identity:update_domain_config",
                body=limit_schemas.DOMAIN_CONFIG,
            ),
            Route("DELETE", path, domain_config.remove_config, rule="identity:delete_domain_config"),
        )
    ),
)

EXTENSIONS: tuple[Route, ...] = (*CREDENTIALS, *LIMITS, *OAUTH, *TRUSTS, *FILTERS, *POLICIES, *NOT_OFFERED, *DOMAIN_CONFIG)
