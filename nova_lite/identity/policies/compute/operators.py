"""Rules on what operators look at: hypervisors, services, zones."""

from __future__ import annotations

from oslo_policy import policy

from nova_lite.identity.policies.compute.rules import ADMIN, ANYONE, rule

_AGGREGATE = "/os-aggregates/{aggregate_id}"
_HYPERVISOR = "/os-hypervisors/{hypervisor_id}"

RULES = (
    rule("os-hypervisors:list", ADMIN, "List hypervisors.", "GET /os-hypervisors"),
    rule("os-hypervisors:list-detail", ADMIN, "List hypervisors with details.", "GET /os-hypervisors/detail"),
    rule("os-hypervisors:show", ADMIN, "Show a hypervisor.", f"GET {_HYPERVISOR}"),
    rule("os-hypervisors:statistics", ADMIN, "Sum up all hypervisors.", "GET /os-hypervisors/statistics"),
    rule("os-hypervisors:uptime", ADMIN, "Show a hypervisor's uptime.", f"GET {_HYPERVISOR}/uptime"),
    rule("os-hypervisors:search", ADMIN, "Find hypervisors by name.", f"GET {_HYPERVISOR}/search"),
    rule("os-hypervisors:servers", ADMIN, "List servers by hypervisor.", f"GET {_HYPERVISOR}/servers"),
    rule("os-services:list", ADMIN, "List services.", "GET /os-services"),
    rule("os-services:update", ADMIN, "Enable or disable a service.", "PUT /os-services/{service_id}"),
    rule("os-services:delete", ADMIN, "Forget a service.", "DELETE /os-services/{service_id}"),
    rule("os-availability-zone:list", ANYONE, "List availability zones.", "GET /os-availability-zone"),
    rule("os-availability-zone:detail", ADMIN, "List zones with their hosts.", "GET /os-availability-zone/detail"),
    rule("os-aggregates:index", ADMIN, "List host aggregates.", "GET /os-aggregates"),
    rule("os-aggregates:create", ADMIN, "Create an aggregate.", "POST /os-aggregates"),
    rule("os-aggregates:show", ADMIN, "Show an aggregate.", f"GET {_AGGREGATE}"),
    rule("os-aggregates:update", ADMIN, "Change an aggregate's name and zone.", f"PUT {_AGGREGATE}"),
    rule("os-aggregates:delete", ADMIN, "Delete an aggregate.", f"DELETE {_AGGREGATE}"),
    rule("os-aggregates:add_host", ADMIN, "Put a host into an aggregate.", f"POST {_AGGREGATE}/action"),
    rule("os-aggregates:remove_host", ADMIN, "Take a host out of an aggregate.", f"POST {_AGGREGATE}/action"),
    rule("os-aggregates:set_metadata", ADMIN, "Set an aggregate's metadata.", f"POST {_AGGREGATE}/action"),
    policy.DocumentedRuleDefault(
        "compute:aggregates:images",
        ADMIN,
        "Ask the hosts of an aggregate to cache images.",
        [{"method": "POST", "path": f"{_AGGREGATE}/images"}],
    ),
    rule("extensions", ANYONE, "List the extensions of old clients.", "GET /extensions"),
)
