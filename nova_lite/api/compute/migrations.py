"""Migrations: servers that move from host to host. None does yet, so lists are empty, and none is found by its number."""

from __future__ import annotations

from nova_lite import errors
from nova_lite.api.compute import times
from nova_lite.api.compute.lookup import server_of
from nova_lite.api.microversion import ByVersion
from nova_lite.api.route import Answer, Request

ALL_TENANTS = "os_compute_api:os-migrations:index:all_tenants"
TIMES = ByVersion[tuple[str, ...]]({"2.1": (), "2.59": ("changes-since",), "2.66": ("changes-since", "changes-before")})


def list_migrations(request: Request) -> Answer:
    """List none, once the query is in order."""
    named = request.first("project_id")
    if named is not None and named != request.context.project_id:
        request.enforce(ALL_TENANTS)
    moments = [times.parse(text, name) for name in TIMES.at(request.version) if (text := request.first(name)) is not None]
    if moments != sorted(moments):
        raise errors.BadRequest("The value of changes-since must be less than or equal to changes-before.")
    if request.first("marker") is not None and TIMES.at(request.version):
        raise errors.BadRequest(f"Marker {request.first('marker')} not found.")
    return Answer(body={"migrations": []})


def list_of_server(request: Request) -> Answer:
    """List none of a server's."""
    with request.parts.database.read() as tx:
        server_of(request, tx)
    return Answer(body={"migrations": []})


def find_of_server(request: Request) -> Answer:
    """Find none: what shows, forces or ends one answers so."""
    with request.parts.database.read() as tx:
        server = server_of(request, tx)
    raise errors.NotFound(f"Migration {request.params['migration_id'][:64]} not found for server {server.id}.")
