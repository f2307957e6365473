"""Servers: lists, one, changes, the end. Creation stands in server_create.py, actions in server_actions.py."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from nova_lite import errors
from nova_lite.api import pages
from nova_lite.api.compute import access_addresses, server_filters
from nova_lite.api.compute.lookup import server_of
from nova_lite.api.compute.views import servers as views
from nova_lite.api.route import Answer, Request
from nova_lite.db.engine import Tx
from nova_lite.db.servers import ServerFilter, ServerPage
from nova_lite.inventory import hosts
from nova_lite.model.host import Host
from nova_lite.model.server import Server
from nova_lite.servers import groups, records, rules
from nova_lite.workflows import delete


def list_servers(request: Request) -> Answer:
    """List names and ids."""
    rule = "os_compute_api:servers:index:get_all_tenants"
    wanted, cut, page = server_filters.read(request, all_projects_rule=rule)
    with request.parts.database.read() as tx:
        found = _page(tx, wanted, cut)
    return _listed(request, "/servers", found, page, views.summary(request))


def list_details(request: Request) -> Answer:
    """List servers whole."""
    rule = "os_compute_api:servers:detail:get_all_tenants"
    wanted, cut, page = server_filters.read(request, all_projects_rule=rule)
    with request.parts.database.read() as tx:
        found = _page(tx, wanted, cut, long_columns=views.shows_user_data(request))
        standing = host_statuses(request, tx)
    return _listed(request, "/servers/detail", found, page, views.full(request, views.DETAIL, standing))


def _page(tx: Tx, wanted: ServerFilter, cut: ServerPage, *, long_columns: bool = False) -> list[Server]:
    try:
        return records.list_page(tx, wanted, dataclasses.replace(cut, long_columns=long_columns))
    except errors.NotFound as error:  # the marker: a mistake of the request, not a missing page
        raise errors.BadRequest(error.message) from error


def _listed(request: Request, path: str, found: list[Server], page: pages.Page, view: Callable[[Server], views.View]) -> Answer:
    shown, more = pages.cut(page, found)
    body: dict[str, Any] = {"servers": [view(server) for server in shown]}
    if more and shown:
        body["servers_links"] = pages.next_links(request, path, shown[-1].id)
    return Answer(body=body)


def host_statuses(request: Request, tx: Tx) -> Mapping[str, str]:
    """Read how hosts stand, for callers who are shown it."""
    if not views.shows_host_status(request):
        return {}
    return {host.name: _status(host) for host in hosts.list_hosts(tx)}


def group_of(request: Request, tx: Tx, server: Server) -> str | None:
    """Read the group that a server is in, where it is shown."""
    return groups.find_of(tx, server) if views.shows_group(request) else None


def _status(host: Host) -> str:
    if not host.up:
        return "DOWN"
    return "UP" if host.enabled else "MAINTENANCE"


def show_server(request: Request) -> Answer:
    """Show one server."""
    with request.parts.database.read() as tx:
        server = server_of(request, tx)
        standing = host_statuses(request, tx)
        group = group_of(request, tx, server)
    return Answer(body={"server": views.full(request, views.SHOW, standing, group)(server)})


PINNED = "pinned_availability_zone"
_FIELDS = {
    "name": "name",
    "description": "description",
    "hostname": "hostname",
    "OS-DCF:diskConfig": "disk_config",
}
_ADDRESSES = {"accessIPv4": "access_ip_v4", "accessIPv6": "access_ip_v6"}


def update_server(request: Request) -> Answer:
    """Change a server's name, description, host name, addresses of access or the zone it is pinned to.

    A lock does not keep from it: it is for what is done to the guest (API guide, "locked").
    """
    asked = request.body["server"]
    changes = {column: asked[name] for name, column in _FIELDS.items() if name in asked}
    changes |= {column: access_addresses.short(asked[name]) for name, column in _ADDRESSES.items() if name in asked}

    def work(tx: Tx) -> tuple[Server, Mapping[str, str], str | None]:
        server = server_of(request, tx)
        if PINNED in asked:
            changes["requested_zone"] = _pinned(server, asked[PINNED])
        records.update(tx, server.id, **changes)
        return server_of(request, tx), host_statuses(request, tx), group_of(request, tx, server)

    server, standing, group = request.parts.database.transact(work)
    return Answer(body={"server": views.full(request, views.UPDATE, standing, group)(server)})


def _pinned(server: Server, zone: str | None) -> str | None:
    """Say which zone the server is pinned to from now on: none, or the one it is in. Raises: Conflict."""
    if zone is None or zone == server.requested_zone:
        return zone
    if server.requested_zone is not None:
        raise errors.Conflict("The server is pinned to another availability zone: set it to null first.")
    if zone != server.availability_zone:
        raise errors.Conflict(f"The server is in zone '{server.availability_zone}' and can only be pinned to that one.")
    return zone


def delete_server(request: Request) -> Answer:
    """Accept the end of a server, whatever it is doing."""
    with request.parts.database.read() as tx:
        server = server_of(request, tx)
    rules.require_unlocked(server, request.context)
    delete.accept(request.parts.desk, request.context, server.id)
    return Answer(status=204)
