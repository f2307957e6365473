"""Rules on servers and what belongs to one."""

from __future__ import annotations

from oslo_policy import policy

from nova_lite.identity.policies.compute.rules import ADMIN, MEMBER, READER, rule

_ACTION = "POST /servers/{server_id}/action"

RULES = (
    policy.DocumentedRuleDefault(
        "compute:servers:create:requested_destination",
        ADMIN,
        "Create a server on a named host (the fields host and hypervisor_hostname).",
        [{"method": "POST", "path": "/servers"}],
    ),
    rule("servers:index", READER, "List servers.", "GET /servers"),
    rule("servers:detail", READER, "List servers with their details.", "GET /servers/detail"),
    rule("servers:index:get_all_tenants", ADMIN, "List the servers of all projects.", "GET /servers"),
    rule(
        "servers:detail:get_all_tenants", ADMIN, "List the servers of all projects with their details.", "GET /servers/detail"
    ),
    rule("servers:allow_all_filters", ADMIN, "Use every filter and sort key.", "GET /servers", "GET /servers/detail"),
    rule("servers:show", READER, "Show a server.", "GET /servers/{server_id}"),
    rule("servers:show:host_status", ADMIN, "See the status of a server's host.", "GET /servers/{server_id}"),
    rule("os-extended-server-attributes", ADMIN, "See a server's host and the like.", "GET /servers/{server_id}"),
    rule("servers:create", MEMBER, "Create a server.", "POST /servers"),
    rule("servers:create:forced_host", ADMIN, "Create a server on a named host (zone:host).", "POST /servers"),
    rule("servers:create:attach_volume", MEMBER, "Create a server with block devices mapped.", "POST /servers"),
    rule("servers:create:attach_network", MEMBER, "Create a server with named networks.", "POST /servers"),
    rule("servers:create:zero_disk_flavor", ADMIN, "Create a server from a flavor without a disk size.", "POST /servers"),
    rule("servers:update", MEMBER, "Change a server's name and description.", "PUT /servers/{server_id}"),
    rule("servers:delete", MEMBER, "Delete a server.", "DELETE /servers/{server_id}"),
    rule("servers:start", MEMBER, "Start a server.", _ACTION),
    rule("servers:stop", MEMBER, "Stop a server.", _ACTION),
    rule("servers:reboot", MEMBER, "Reboot a server.", _ACTION),
    rule("os-console-output", MEMBER, "Read a server's console.", _ACTION),
    rule("os-lock-server:lock", MEMBER, "Lock a server.", _ACTION),
    rule("os-lock-server:unlock", MEMBER, "Unlock a server.", _ACTION),
    rule("os-lock-server:unlock:unlock_override", ADMIN, "Unlock a server that another locked.", _ACTION),
    rule("ips:index", READER, "List a server's addresses.", "GET /servers/{server_id}/ips"),
    rule("ips:show", READER, "Show a server's addresses in a network.", "GET /servers/{server_id}/ips/{network}"),
    rule("server-metadata:index", READER, "List a server's metadata.", "GET /servers/{server_id}/metadata"),
    rule("server-metadata:show", READER, "Show an item of metadata.", "GET /servers/{server_id}/metadata/{key}"),
    rule("server-metadata:create", MEMBER, "Add metadata.", "POST /servers/{server_id}/metadata"),
    rule("server-metadata:update_all", MEMBER, "Replace all metadata.", "PUT /servers/{server_id}/metadata"),
    rule("server-metadata:update", MEMBER, "Change an item of metadata.", "PUT /servers/{server_id}/metadata/{key}"),
    rule("server-metadata:delete", MEMBER, "Remove an item of metadata.", "DELETE /servers/{server_id}/metadata/{key}"),
    rule("os-server-tags:index", READER, "List a server's tags.", "GET /servers/{server_id}/tags"),
    rule("os-server-tags:show", READER, "Tell whether a server has a tag.", "GET /servers/{server_id}/tags/{tag}"),
    rule("os-server-tags:update", MEMBER, "Add a tag.", "PUT /servers/{server_id}/tags/{tag}"),
    rule("os-server-tags:update_all", MEMBER, "Replace all tags.", "PUT /servers/{server_id}/tags"),
    rule("os-server-tags:delete", MEMBER, "Remove a tag.", "DELETE /servers/{server_id}/tags/{tag}"),
    rule("os-server-tags:delete_all", MEMBER, "Remove all tags.", "DELETE /servers/{server_id}/tags"),
    rule("os-instance-actions:list", READER, "List what was done to a server.", "GET /servers/{server_id}/os-instance-actions"),
    rule(
        "os-instance-actions:show", READER, "Show what was done.", "GET /servers/{server_id}/os-instance-actions/{request_id}"
    ),
    rule(
        "os-instance-actions:events",
        ADMIN,
        "See the host and the trace of each event.",
        "GET /servers/{server_id}/os-instance-actions/{request_id}",
    ),
    rule(
        "os-instance-actions:events:details",
        ADMIN,
        "See the details of each event.",
        "GET /servers/{server_id}/os-instance-actions/{request_id}",
    ),
)
