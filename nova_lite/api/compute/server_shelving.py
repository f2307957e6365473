"""Shelving of servers, and taking them from the shelf."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nova_lite import errors
from nova_lite.api.compute.lookup import server_of, target_of
from nova_lite.api.route import Answer, Request
from nova_lite.db.engine import Tx
from nova_lite.inventory import hosts
from nova_lite.model.server import Server, ServerState
from nova_lite.servers import rules
from nova_lite.workflows import shelve as shelving
from nova_lite.workflows import unshelve as unshelving
from nova_lite.workflows.unshelve import Place

TO_HOST = "os_compute_api:os-shelve:unshelve_to_host"


def shelve(request: Request) -> Answer:
    """Accept shelving."""
    parts = request.parts
    shelving.accept(parts.desk, parts.images, request.context, _server(request).id)
    return Answer(status=202)


def offload(request: Request) -> Answer:
    """Accept that a shelved server leaves its host."""
    shelving.accept_offload(request.parts.desk, request.context, _server(request).id)
    return Answer(status=202)


def unshelve(request: Request) -> Answer:
    """Accept that a server runs again, from 2.77 on in a zone of choice, from 2.91 on a host of an admin's choice."""
    asked = request.body["unshelve"]
    place = Place()
    server = _server(request)
    if isinstance(asked, dict) and asked:
        with request.parts.database.read() as tx:
            place = _place(request, tx, server, asked)
    unshelving.accept(request.parts.desk, request.context, server.id, place)
    return Answer(status=202)


def _server(request: Request) -> Server:
    with request.parts.database.read() as tx:
        server = server_of(request, tx)
    rules.require_unlocked(server, request.context)
    return server


def _place(request: Request, tx: Tx, server: Server, asked: Mapping[str, Any]) -> Place:
    """Read where to. Raises: Forbidden for a host; Conflict by the server's state, or a host in another zone; BadRequest."""
    zone, host, pins = asked.get("availability_zone"), asked.get("host"), "availability_zone" in asked
    if host is not None:
        request.enforce(TO_HOST, target_of(server))
    rules.require(server, "unshelve")
    if server.state is not ServerState.SHELVED_OFFLOADED:
        raise errors.Conflict(f"Server {server.id} is on its host: only one that has left it is unshelved to another place.")
    known = {one.name: one.facts.zone for one in hosts.list_hosts(tx)}
    if zone is not None and zone not in known.values():
        raise errors.BadRequest(f"The requested availability zone {zone} is not available.")
    if host is None:
        return Place(zone=zone, pins=pins)
    if host not in known:
        raise errors.BadRequest(f"Compute host {host} could not be found.")
    wanted = zone if pins else server.requested_zone
    if wanted is not None and known[host] != wanted:
        raise errors.Conflict(f"Host {host} is not in the availability zone {wanted}.")
    return Place(host=host, zone=zone, pins=pins)
