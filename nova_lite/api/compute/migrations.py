"""Migrations: moves of servers from host to host, or to another size, as operators follow them."""

from __future__ import annotations

from nova_lite import errors
from nova_lite.api import pages
from nova_lite.api.admission import Kind
from nova_lite.api.compute import times
from nova_lite.api.compute.lookup import server_of
from nova_lite.api.compute.views import migrations as views
from nova_lite.api.microversion import ByVersion
from nova_lite.api.pages import Page
from nova_lite.api.route import Answer, Request
from nova_lite.db.engine import Tx
from nova_lite.db.moves import MigrationFilter
from nova_lite.durable import journal
from nova_lite.durable.workflow import CANCEL
from nova_lite.model.migration import Migration, MigrationStatus
from nova_lite.model.server import Server
from nova_lite.rpc.compute import ForceLive
from nova_lite.servers import moves, rules

ALL_TENANTS = "os_compute_api:os-migrations:index:all_tenants"
TIMES = ByVersion[tuple[str, ...]]({"2.1": (), "2.59": ("changes-since",), "2.66": ("changes-since", "changes-before")})
PAGED = ByVersion({"2.1": False, "2.59": True})
# What a list is filtered by: our names, and the API's.
FILTERS = {
    "server_id": "instance_uuid",
    "host": "host",
    "source": "source_compute",
    "status": "status",
    "type": "migration_type",
}
OWNERS = ByVersion[dict[str, str]]({"2.1": {}, "2.80": {"user_id": "user_id", "project_id": "project_id"}})
QUEUED = (MigrationStatus.ACCEPTED, MigrationStatus.QUEUED, MigrationStatus.PREPARING)
ABORTS_QUEUED = ByVersion({"2.1": False, "2.65": True})
LONGEST_NUMBER = 18


def list_migrations(request: Request) -> Answer:
    """List moves, newest first: those of one's own project, of all for who may see them."""
    wanted = _filter(request)
    page = pages.read_page(request) if PAGED.at(request.version) else None
    if _flag(request.first("hidden")):
        return Answer(body={"migrations": []})
    with request.parts.database.read() as tx:
        found = _page(tx, wanted, page)
    shown, more = pages.cut(page, found) if page is not None else (found, False)
    body = {"migrations": [views.listed(request, one) for one in shown]}
    if more:
        body["migrations_links"] = pages.next_links(request, "/os-migrations", shown[-1].uuid)
    return Answer(body=body)


def _filter(request: Request) -> MigrationFilter:
    named = request.first("project_id")
    if named is not None and named != request.context.project_id:
        request.enforce(ALL_TENANTS)
    moments = {name: times.bound(text, name) for name in TIMES.at(request.version) if (text := request.first(name)) is not None}
    since, before = moments.get("changes-since"), moments.get("changes-before")
    if since is not None and before is not None and before < since:
        raise errors.BadRequest("The value of changes-since must be less than or equal to changes-before.")
    fields = {ours: request.first(theirs) for ours, theirs in (FILTERS | OWNERS.at(request.version)).items()}
    if not request.may(ALL_TENANTS):
        fields["project_id"] = request.context.project_id or ""
    return MigrationFilter(**fields, changed_since=since, changed_before=before)


def _flag(text: str | None) -> bool:
    """Whether only hidden ones are wanted, of which there are none."""
    return text is not None and text.strip().lower() in ("1", "t", "true", "on", "y", "yes")


def _page(tx: Tx, wanted: MigrationFilter, page: Page | None) -> list[Migration]:
    if page is None:
        return list(moves.list_migrations(tx, wanted))
    if page.marker is not None and moves.find(tx, uuid=page.marker) is None:
        raise errors.BadRequest(f"Marker {page.marker} not found.")
    return list(moves.list_migrations(tx, wanted, limit=page.fetch, marker=page.marker))


def list_of_server(request: Request) -> Answer:
    """List a server's live migrations that go on."""
    with request.parts.database.read() as tx:
        server = server_of(request, tx)
        found = moves.list_migrations(tx, MigrationFilter(server_id=server.id))
    return Answer(body={"migrations": [views.of_server(request, one) for one in found if views.in_progress(one)]})


def show_of_server(request: Request) -> Answer:
    """Show a live migration that goes on."""
    with request.parts.database.read() as tx:
        migration = live_of(request, tx, server_of(request, tx))
    if not views.in_progress(migration):
        raise errors.NotFound(f"Live migration {migration.id} for server {migration.server_id} is not in progress.")
    return Answer(body={"migration": views.of_server(request, migration)})


def live_of(request: Request, tx: Tx, server: Server) -> Migration:
    """Read the live migration that the path names. Raises: NotFound, also for moves of another kind."""
    text = request.params["migration_id"]
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER else None
    migration = None if number is None else moves.find(tx, number=number)
    if migration is None or migration.server_id != server.id:
        raise errors.NotFound(f"Migration {text[:64]} not found for server {server.id}.")
    if migration.type.value != "live-migration":
        raise errors.NotFound(f"Migration {migration.id} for server {server.id} is not live-migration.")
    return migration


def abort(request: Request) -> Answer:
    """Give a live migration up that goes on: the server stays where it is, unless it has gone just now."""
    with request.parts.database.read() as tx:
        server = server_of(request, tx)
        rules.require_unlocked(server, request.context)
        migration = live_of(request, tx, server)
    _require_going_on(request, migration)
    desk = request.parts.desk

    def work(tx: Tx) -> None:
        if not journal.send_signal(tx, migration.operation_id, CANCEL, {}):
            raise errors.BadRequest(f"Migration {migration.id} has just ended.")
        desk.ring_after(tx, migration.operation_id)

    request.parts.database.transact(work)
    return Answer(status=202)


def _require_going_on(request: Request, migration: Migration) -> None:
    """Raises: BadRequest; Conflict in microversions in which what has not begun cannot be given up."""
    if migration.status in QUEUED and not ABORTS_QUEUED.at(request.version):
        raise errors.Conflict(f"Migration {migration.id} has not begun: aborting it is possible from microversion 2.65 on.")
    if migration.status not in (*QUEUED, MigrationStatus.RUNNING):
        raise errors.BadRequest(f"Migration {migration.id} state of server {migration.server_id} is {migration.status.value}.")


def force_complete(request: Request) -> Answer:
    """Let a live migration that goes on end now: the guest stands still until it has arrived."""
    with request.parts.database.read() as tx:
        server = server_of(request, tx)
        rules.require_unlocked(server, request.context)
        migration = live_of(request, tx, server)
    if migration.status is not MigrationStatus.RUNNING:
        raise errors.BadRequest(f"Migration {migration.id} state of server {server.id} is {migration.status.value}.")
    if request.parts.compute is None:
        raise errors.Unavailable("No message broker: the host cannot be asked at the moment.")
    with request.parts.admission.slot(Kind.HOST):
        request.parts.compute.force_live(migration.source, ForceLive(server_id=server.id))
    return Answer(status=202)
