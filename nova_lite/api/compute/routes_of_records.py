"""The URL table of the Compute API, continued: what operators and other services read and tell."""

from __future__ import annotations

from nova_lite.api.compute import audit_log, consoles, external_events, migrations, usage, volume_attachments
from nova_lite.api.compute.schemas import attachments as schemas
from nova_lite.api.route import Route

_RULE = "os_compute_api:"
_AUDITS, _SNAPSHOTS = "/os-instance_usage_audit_log", "/os-assisted-volume-snapshots"


def _r(method, path, handler, rule, **more) -> Route:  # type: ignore[no-untyped-def]
    return Route(method, path, handler, rule=_RULE + rule, **more)


ROUTES: tuple[Route, ...] = (
    _r("GET", usage.PATH, usage.list_usage, "os-simple-tenant-usage:list", query=schemas.USAGES),
    # The rule speaks of the path's project.
    _r(
        "GET", f"{usage.PATH}/{{project_id}}", usage.show_usage, "os-simple-tenant-usage:show",
        query=schemas.USAGE, by_handler=True,
    ),
    _r("GET", "/os-migrations", migrations.list_migrations, "os-migrations:index", query=schemas.MIGRATIONS),
    _r("GET", _AUDITS, audit_log.list_log, "os-instance-usage-audit-log:list"),
    _r("GET", f"{_AUDITS}/{{before_timestamp}}", audit_log.show_log, "os-instance-usage-audit-log:show"),
    _r(
        "POST", "/os-server-external-events", external_events.create_events, "os-server-external-events:create",
        body=schemas.EVENTS,
    ),
    _r("GET", "/os-console-auth-tokens/{token_id}", consoles.show_token, "os-console-auth-tokens"),
    _r(
        "POST", _SNAPSHOTS, volume_attachments.create_snapshot, "os-assisted-volume-snapshots:create",
        body=schemas.CREATE_SNAPSHOT,
    ),
    _r(
        "DELETE", f"{_SNAPSHOTS}/{{snapshot_id}}", volume_attachments.delete_snapshot, "os-assisted-volume-snapshots:delete",
        query=schemas.DELETE_SNAPSHOT,
    ),
)  # fmt: skip
