"""Rules on what operators and other services read and tell: usage, migrations, audits, events."""

from __future__ import annotations

from nova_lite.identity.policies.compute.rules import ADMIN, MANAGER, READER, rule

_USAGE = "/os-simple-tenant-usage"
_AUDITS = "/os-instance_usage_audit_log"
_SNAPSHOTS = "/os-assisted-volume-snapshots"
SERVICE = "role:service or rule:context_is_admin"

RULES = (
    rule("os-simple-tenant-usage:list", ADMIN, "Show what all projects used.", f"GET {_USAGE}"),
    rule("os-simple-tenant-usage:show", READER, "Show what a project used.", f"GET {_USAGE}/{{project_id}}"),
    rule("os-migrations:index", MANAGER, "List migrations.", "GET /os-migrations"),
    rule("os-migrations:index:all_tenants", ADMIN, "List the migrations of other projects.", "GET /os-migrations"),
    rule("os-instance-usage-audit-log:list", ADMIN, "Show the last usage audit.", f"GET {_AUDITS}"),
    rule("os-instance-usage-audit-log:show", ADMIN, "Show an earlier usage audit.", f"GET {_AUDITS}/{{before_timestamp}}"),
    rule("os-server-external-events:create", SERVICE, "Tell of events.", "POST /os-server-external-events"),
    rule("os-console-auth-tokens", ADMIN, "Show what a console's token is for.", "GET /os-console-auth-tokens/{token_id}"),
    rule("os-assisted-volume-snapshots:create", SERVICE, "Make a snapshot of an attached volume.", f"POST {_SNAPSHOTS}"),
    rule("os-assisted-volume-snapshots:delete", SERVICE, "Delete such a snapshot.", f"DELETE {_SNAPSHOTS}/{{snapshot_id}}"),
)
