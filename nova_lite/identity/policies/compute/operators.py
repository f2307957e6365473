"""Rules on what operators look at: hypervisors, services, zones."""

from __future__ import annotations

from nova_lite.identity.policies.compute.rules import ADMIN, ANYONE, rule

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
    rule("extensions", ANYONE, "List the extensions of old clients.", "GET /extensions"),
)
