"""The URL table of the Compute API."""

from __future__ import annotations

from nova_lite.api import patience
from nova_lite.api.compute import (
    aggregates,
    availability_zones,
    extensions,
    flavors,
    hypervisors,
    instance_actions,
    keypairs,
    limits,
    project_paths,
    quota_sets,
    routes_of_records,
    routes_of_servers,
    routes_of_the_past,
    server_actions,
    server_create,
    server_groups,
    server_parts,
    servers,
    services,
    strict_queries,
)
from nova_lite.api.compute.schemas import aggregates as aggregate_schemas
from nova_lite.api.compute.schemas import flavors as flavor_schemas
from nova_lite.api.compute.schemas import instance_actions as instance_action_schemas
from nova_lite.api.compute.schemas import keypairs as keypair_schemas
from nova_lite.api.compute.schemas import operators as operator_schemas
from nova_lite.api.compute.schemas import quota_sets as quota_schemas
from nova_lite.api.compute.schemas import server_groups as group_schemas
from nova_lite.api.compute.schemas import server_query
from nova_lite.api.compute.schemas import servers as server_schemas
from nova_lite.api.route import Route

_RULE = "os_compute_api:"
_SERVER = "/servers/{server_id}"
_FLAVOR = "/flavors/{flavor_id}"
_HYPERVISOR = "/os-hypervisors/{hypervisor_id}"
_QUOTA = "/os-quota-sets/{project_id}"


def _r(method, path, handler, rule, **more) -> Route:  # type: ignore[no-untyped-def]
    """Write a line of the table: rules of the Compute API all begin alike."""
    return Route(method, path, handler, rule=_RULE + rule, **more)


_SERVERS = (
    _r("GET", "/servers", servers.list_servers, "servers:index", query=server_query.LIST),
    _r("POST", "/servers", server_create.create_servers, "servers:create", body=server_schemas.CREATE),
    _r("GET", "/servers/detail", servers.list_details, "servers:detail", query=server_query.LIST),
    _r("GET", _SERVER, servers.show_server, "servers:show"),
    _r("PUT", _SERVER, servers.update_server, "servers:update", body=server_schemas.UPDATE),
    _r("DELETE", _SERVER, servers.delete_server, "servers:delete"),
)


def _action(name, handler, rule, body, **more) -> Route:  # type: ignore[no-untyped-def]
    return _r("POST", f"{_SERVER}/action", handler, rule, action=name, body=body, turn=patience.on_server, **more)


_ACTIONS = (
    _action("os-start", server_actions.start, "servers:start", server_schemas.START),
    _action("os-stop", server_actions.stop, "servers:stop", server_schemas.STOP),
    _action("reboot", server_actions.reboot, "servers:reboot", server_schemas.REBOOT),
    _action("lock", server_actions.lock, "os-lock-server:lock", server_schemas.LOCK),
    _action("unlock", server_actions.unlock, "os-lock-server:unlock", server_schemas.UNLOCK),
    _action("os-getConsoleOutput", server_actions.console_output, "os-console-output", server_schemas.CONSOLE_OUTPUT),
)

_META, _TAGS, _DONE = f"{_SERVER}/metadata", f"{_SERVER}/tags", f"{_SERVER}/os-instance-actions"
_PARTS = (
    _r("GET", _META, server_parts.list_metadata, "server-metadata:index"),
    _r("POST", _META, server_parts.add_metadata, "server-metadata:create", body=server_schemas.METADATA),
    _r("PUT", _META, server_parts.replace_metadata, "server-metadata:update_all", body=server_schemas.METADATA),
    _r("GET", f"{_META}/{{key}}", server_parts.show_metadata_item, "server-metadata:show"),
    _r("PUT", f"{_META}/{{key}}", server_parts.set_metadata_item, "server-metadata:update", body=server_schemas.META),
    _r("DELETE", f"{_META}/{{key}}", server_parts.remove_metadata_item, "server-metadata:delete"),
    _r("GET", _TAGS, server_parts.list_tags, "os-server-tags:index", min_version="2.26"),
    _r("PUT", _TAGS, server_parts.replace_tags, "os-server-tags:update_all", body=server_schemas.TAGS, min_version="2.26"),
    _r("DELETE", _TAGS, server_parts.remove_tags, "os-server-tags:delete_all", min_version="2.26"),
    _r("GET", f"{_TAGS}/{{tag}}", server_parts.check_tag, "os-server-tags:show", min_version="2.26"),
    _r("PUT", f"{_TAGS}/{{tag}}", server_parts.add_tag, "os-server-tags:update", min_version="2.26"),
    _r("DELETE", f"{_TAGS}/{{tag}}", server_parts.remove_tag, "os-server-tags:delete", min_version="2.26"),
    _r("GET", f"{_SERVER}/ips", server_parts.list_addresses, "ips:index"),
    _r("GET", f"{_SERVER}/ips/{{network}}", server_parts.show_addresses, "ips:show"),
    _r("GET", _DONE, instance_actions.list_actions, "os-instance-actions:list", query=instance_action_schemas.LIST),
    _r("GET", f"{_DONE}/{{request_id}}", instance_actions.show_action, "os-instance-actions:show"),
)

_SPECS, _ACCESS = f"{_FLAVOR}/os-extra_specs", "os-flavor-access"
_FLAVORS = (
    _r("GET", "/flavors", flavors.list_flavors, "flavors", query=flavor_schemas.LIST),
    _r("POST", "/flavors", flavors.create_flavor, "os-flavor-manage:create", body=flavor_schemas.CREATE),
    _r("GET", "/flavors/detail", flavors.list_details, "flavors", query=flavor_schemas.LIST),
    _r("GET", _FLAVOR, flavors.show_flavor, "flavors"),
    _r("PUT", _FLAVOR, flavors.update_flavor, "os-flavor-manage:update", body=flavor_schemas.UPDATE, min_version="2.55"),
    _r("DELETE", _FLAVOR, flavors.delete_flavor, "os-flavor-manage:delete"),
    _r("GET", _SPECS, flavors.list_extra_specs, "os-flavor-extra-specs:index"),
    _r("POST", _SPECS, flavors.add_extra_specs, "os-flavor-extra-specs:create", body=flavor_schemas.CREATE_SPECS),
    _r("GET", f"{_SPECS}/{{key}}", flavors.show_extra_spec, "os-flavor-extra-specs:show"),
    _r("PUT", f"{_SPECS}/{{key}}", flavors.update_extra_spec, "os-flavor-extra-specs:update", body=flavor_schemas.UPDATE_SPEC),
    _r("DELETE", f"{_SPECS}/{{key}}", flavors.remove_extra_spec, "os-flavor-extra-specs:delete"),
    _r("GET", f"{_FLAVOR}/os-flavor-access", flavors.list_access, _ACCESS),
    _r(
        "POST", f"{_FLAVOR}/action", flavors.add_access, f"{_ACCESS}:add_tenant_access",
        action="addTenantAccess", body=flavor_schemas.ADD_ACCESS,
    ),
    _r(
        "POST", f"{_FLAVOR}/action", flavors.remove_access, f"{_ACCESS}:remove_tenant_access",
        action="removeTenantAccess", body=flavor_schemas.REMOVE_ACCESS,
    ),
)  # fmt: skip

# The rules of key pairs speak of the pair's user, so the handlers check them.
_KEYPAIRS = (
    _r("GET", "/os-keypairs", keypairs.list_keypairs, "os-keypairs:index", query=keypair_schemas.LIST),
    _r("POST", "/os-keypairs", keypairs.create_keypair, "os-keypairs:create", body=keypair_schemas.CREATE),
    _r("GET", "/os-keypairs/{name}", keypairs.show_keypair, "os-keypairs:show", query=keypair_schemas.SHOW),
    _r("DELETE", "/os-keypairs/{name}", keypairs.delete_keypair, "os-keypairs:delete", query=keypair_schemas.SHOW),
)


# A quota's rules speak of the path's project: the handlers check them, and only they (an admin may read any).
def _quota(method, path, handler, rule, **more) -> Route:  # type: ignore[no-untyped-def]
    return _r(method, path, handler, f"os-quota-sets:{rule}", **more)


_QUOTAS = (
    _r("GET", "/limits", limits.show_limits, "limits", query=quota_schemas.LIMITS),
    _quota("GET", _QUOTA, quota_sets.show_quota, "show", query=quota_schemas.SHOW),
    _quota("PUT", _QUOTA, quota_sets.update_quota, "update", query=quota_schemas.SHOW, body=quota_schemas.UPDATE),
    _quota("DELETE", _QUOTA, quota_sets.delete_quota, "delete", query=quota_schemas.SHOW),
    _quota("GET", f"{_QUOTA}/detail", quota_sets.show_detail, "detail", query=quota_schemas.SHOW),
    _quota("GET", f"{_QUOTA}/defaults", quota_sets.show_defaults, "defaults"),
    _r("GET", "/os-quota-class-sets/{name}", quota_sets.show_class, "os-quota-class-sets:show"),
    _r(
        "PUT", "/os-quota-class-sets/{name}", quota_sets.update_class, "os-quota-class-sets:update",
        body=quota_schemas.UPDATE_CLASS,
    ),
)  # fmt: skip

_STATISTICS = "/os-hypervisors/statistics"
_OPERATORS = (
    _r("GET", "/os-hypervisors", hypervisors.list_hypervisors, "os-hypervisors:list", query=operator_schemas.HYPERVISORS),
    _r(
        "GET", "/os-hypervisors/detail", hypervisors.list_details, "os-hypervisors:list-detail",
        query=operator_schemas.HYPERVISORS,
    ),
    _r("GET", _STATISTICS, hypervisors.statistics, "os-hypervisors:statistics", max_version="2.87"),
    _r("GET", _HYPERVISOR, hypervisors.show_hypervisor, "os-hypervisors:show", query=operator_schemas.HYPERVISOR),
    _r(
        "GET", f"{_HYPERVISOR}/uptime", hypervisors.show_uptime, "os-hypervisors:uptime",
        query=operator_schemas.HYPERVISOR, max_version="2.87",
    ),
    _r("GET", f"{_HYPERVISOR}/search", hypervisors.search, "os-hypervisors:search", max_version="2.52"),
    _r("GET", f"{_HYPERVISOR}/servers", hypervisors.servers, "os-hypervisors:servers", max_version="2.52"),
    _r("GET", "/os-services", services.list_services, "os-services:list", query=operator_schemas.SERVICES),
    _r(
        "PUT", "/os-services/{service_id}", services.update_service, "os-services:update",
        body=operator_schemas.UPDATE_SERVICE, min_version="2.53",
    ),
    _r(
        "PUT", "/os-services/enable", services.enable, "os-services:update",
        body=operator_schemas.SWITCH, max_version="2.52",
    ),
    _r(
        "PUT", "/os-services/disable", services.disable, "os-services:update",
        body=operator_schemas.SWITCH, max_version="2.52",
    ),
    _r(
        "PUT", "/os-services/disable-log-reason", services.disable_with_reason, "os-services:update",
        body=operator_schemas.DISABLE_WITH_REASON, max_version="2.52",
    ),
    _r(
        "PUT", "/os-services/force-down", services.force_down, "os-services:update",
        body=operator_schemas.FORCE_DOWN, min_version="2.11", max_version="2.52",
    ),
    _r(
        "PUT", "/os-services/{service_id}", services.unknown_switch, "os-services:update",
        body=operator_schemas.ANYTHING, max_version="2.52",
    ),
    _r("DELETE", "/os-services/{service_id}", services.delete_service, "os-services:delete"),
    _r("GET", "/os-availability-zone", availability_zones.list_zones, "os-availability-zone:list"),
    _r("GET", "/os-availability-zone/detail", availability_zones.list_details, "os-availability-zone:detail"),
    _r("GET", "/extensions", extensions.list_extensions, "extensions"),
    _r("GET", "/extensions/{alias}", extensions.show_extension, "extensions"),
)  # fmt: skip

_AGGREGATE = "/os-aggregates/{aggregate_id}"


def _aggregate_action(name, handler, body) -> Route:  # type: ignore[no-untyped-def]
    return _r("POST", f"{_AGGREGATE}/action", handler, f"os-aggregates:{name}", action=name, body=body)


_AGGREGATES = (
    _r("GET", "/os-aggregates", aggregates.list_aggregates, "os-aggregates:index"),
    _r("POST", "/os-aggregates", aggregates.create_aggregate, "os-aggregates:create", body=aggregate_schemas.CREATE),
    _r("GET", _AGGREGATE, aggregates.show_aggregate, "os-aggregates:show"),
    _r("PUT", _AGGREGATE, aggregates.update_aggregate, "os-aggregates:update", body=aggregate_schemas.UPDATE),
    _r("DELETE", _AGGREGATE, aggregates.delete_aggregate, "os-aggregates:delete"),
    _aggregate_action("add_host", aggregates.add_host, aggregate_schemas.ADD_HOST),
    _aggregate_action("remove_host", aggregates.remove_host, aggregate_schemas.REMOVE_HOST),
    _aggregate_action("set_metadata", aggregates.set_metadata, aggregate_schemas.SET_METADATA),
    Route(
        "POST", f"{_AGGREGATE}/images", aggregates.cache_images, rule="compute:aggregates:images",
        body=aggregate_schemas.IMAGES, min_version="2.81",
    ),
)  # fmt: skip

_GROUP = "/os-server-groups/{group_id}"
_GROUPS = (
    _r("GET", "/os-server-groups", server_groups.list_groups, "os-server-groups:index", query=group_schemas.LIST),
    _r("POST", "/os-server-groups", server_groups.create_group, "os-server-groups:create", body=group_schemas.CREATE),
    _r("GET", _GROUP, server_groups.show_group, "os-server-groups:show"),
    _r("DELETE", _GROUP, server_groups.delete_group, "os-server-groups:delete"),
)

_OF_SERVERS: tuple[Route, ...] = (*_SERVERS, *_ACTIONS, *_PARTS, *routes_of_servers.ROUTES)
_OF_OTHERS: tuple[Route, ...] = (
    *_FLAVORS, *_KEYPAIRS, *_QUOTAS, *_OPERATORS, *_AGGREGATES, *_GROUPS, *routes_of_records.ROUTES
)  # fmt: skip
_OF_THE_PAST: tuple[Route, ...] = (*routes_of_the_past.ROUTES, *routes_of_the_past.volumes_boot(_OF_SERVERS))
_HERE: tuple[Route, ...] = strict_queries.with_strict_queries((*_OF_SERVERS, *_OF_OTHERS, *_OF_THE_PAST))
ROUTES: tuple[Route, ...] = (*_HERE, *project_paths.with_project(_HERE))
