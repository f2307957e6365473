"""Hypervisors: the compute hosts as operators see them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nova_lite import errors
from nova_lite.api import pages
from nova_lite.api.admission import Kind
from nova_lite.api.compute import flags
from nova_lite.api.compute.views import hypervisors as views
from nova_lite.api.compute.views.hypervisors import Seen
from nova_lite.api.microversion import ByVersion
from nova_lite.api.pages import Page
from nova_lite.api.route import Answer, Request
from nova_lite.db import hosts as host_queries
from nova_lite.db import servers as server_queries
from nova_lite.db.engine import Tx
from nova_lite.inventory import hosts

PAGED = ByVersion({"2.1": False, "2.33": True})
QUERIES = ByVersion({"2.1": False, "2.53": True})  # hypervisor_hostname_pattern and with_servers


def _all(tx: Tx) -> list[Seen]:
    numbers = host_queries.host_numbers(tx)
    return [Seen(host=host, number=numbers[host.name]) for host in hosts.list_hosts(tx)]


def list_hypervisors(request: Request) -> Answer:
    """List names and states."""
    return _listed(request, "/os-hypervisors", views.short)


def list_details(request: Request) -> Answer:
    """List hypervisors whole."""
    return _listed(request, "/os-hypervisors/detail", views.full)


def _listed(request: Request, path: str, view: Callable[[Request, Seen], views.View]) -> Answer:
    page = pages.read_page(request) if PAGED.at(request.version) else Page(limit=pages.MAX_LIMIT, marker=None)
    with request.parts.database.read() as tx:
        found = _matching(request, _all(tx))
        found = _behind(found, page.marker, request)
        shown, more = pages.cut(page, found)
        servers = _servers(request, tx, shown)
    body: dict[str, Any] = {"hypervisors": [_with_servers(request, view(request, seen), seen, servers) for seen in shown]}
    if more and PAGED.at(request.version):
        body["hypervisors_links"] = pages.next_links(request, path, str(views.identifier(request, shown[-1])))
    return Answer(body=body)


def _matching(request: Request, found: list[Seen]) -> list[Seen]:
    """Keep what the pattern of the query names. Raises: NotFound when it names nothing."""
    pattern = request.first("hypervisor_hostname_pattern") if QUERIES.at(request.version) else None
    if pattern is None:
        return found
    if "limit" in request.query or "marker" in request.query:
        raise errors.BadRequest("Paging over hypervisors with the hypervisor_hostname_pattern query is not supported.")
    kept = [seen for seen in found if pattern.lower() in seen.host.facts.hypervisor_hostname.lower()]
    if not kept:
        raise errors.NotFound(f"No hypervisor matching '{pattern}' could be found.")
    return kept


def _behind(found: list[Seen], marker: str | None, request: Request) -> list[Seen]:
    if marker is None:
        return found
    for position, seen in enumerate(found):
        if str(views.identifier(request, seen)) == marker:
            return found[position + 1 :]
    raise errors.BadRequest(f"marker [{marker}] not found")


def _wants_servers(request: Request) -> bool:
    text = request.first("with_servers") if QUERIES.at(request.version) else None
    return text is not None and flags.read(text, "with_servers")


def _servers(request: Request, tx: Tx, shown: Sequence[Seen]) -> dict[str, list[dict[str, str]]] | None:
    """Read the servers of some hosts when the query wants them; None when it does not."""
    if not _wants_servers(request):
        return None
    names = [seen.host.name for seen in shown]
    return servers_on(tx, names)


def servers_on(tx: Tx, names: Sequence[str]) -> dict[str, list[dict[str, str]]]:
    """Read the servers of some hosts, as hypervisors show them."""
    found = server_queries.servers_per_host(tx, names)
    return {name: [{"uuid": uuid, "name": server} for uuid, server in found.get(name, [])] for name in names}


def _with_servers(
    request: Request, view: views.View, seen: Seen, servers: dict[str, list[dict[str, str]]] | None
) -> views.View:
    on_it = (servers or {}).get(seen.host.name, [])
    if servers is None or not (on_it or views.ALWAYS_SERVERS.at(request.version)):
        return view
    return view | {"servers": on_it}


def show_hypervisor(request: Request) -> Answer:
    """Show one, by number or (from 2.53 on) by UUID."""
    with request.parts.database.read() as tx:
        seen = _one(request, tx)
        servers = _servers(request, tx, [seen])
    view = views.full(request, seen)
    if "uptime" in view:
        view["uptime"] = _uptime(request, seen)
    return Answer(body={"hypervisor": _with_servers(request, view, seen, servers)})


def _one(request: Request, tx: Tx) -> Seen:
    wanted = request.params["hypervisor_id"]
    for seen in _all(tx):
        if str(views.identifier(request, seen)) == wanted:
            return seen
    raise errors.NotFound(f"Compute host {wanted} could not be found.")


def show_uptime(request: Request) -> Answer:
    """Ask a hypervisor's host how long it is up. Raises: BadRequest while it is down or does not answer."""
    with request.parts.database.read() as tx:
        seen = _one(request, tx)
        servers = _servers(request, tx, [seen])
    if not seen.host.up:
        raise errors.BadRequest(f"Host {seen.host.name} is down: its uptime is not known.")
    uptime = _uptime(request, seen)
    if uptime is None:
        raise errors.BadRequest(f"Host {seen.host.name} does not tell its uptime.")
    view = views.short(request, seen) | {"uptime": uptime}
    return Answer(body={"hypervisor": _with_servers(request, view, seen, servers)})


def _uptime(request: Request, seen: Seen) -> str | None:
    """Ask the host; None when it is down, or does not answer."""
    if not seen.host.up or request.parts.compute is None:
        return None
    try:
        with request.parts.admission.slot(Kind.HOST):
            return str(request.parts.compute.get_uptime(seen.host.name))
    except errors.NovaLiteError:
        return None


def search(request: Request) -> Answer:
    """Find hypervisors by a part of their name."""
    with request.parts.database.read() as tx:
        found = _named(request, tx)
    return Answer(body={"hypervisors": [views.short(request, seen) for seen in found]})


def servers(request: Request) -> Answer:
    """Find hypervisors by a part of their name, and list the servers on them."""
    with request.parts.database.read() as tx:
        found = _named(request, tx)
        on_them = servers_on(tx, [seen.host.name for seen in found])
    made = []
    for seen in found:
        view = views.short(request, seen)
        if on_them[seen.host.name]:
            view["servers"] = on_them[seen.host.name]
        made.append(view)
    return Answer(body={"hypervisors": made})


def _named(request: Request, tx: Tx) -> list[Seen]:
    wanted = request.params["hypervisor_id"].lower()
    found = [seen for seen in _all(tx) if wanted in seen.host.facts.hypervisor_hostname.lower()]
    if not found:
        raise errors.NotFound(f"No hypervisor matching '{request.params['hypervisor_id']}' could be found.")
    return found


def statistics(request: Request) -> Answer:
    """Sum up all hypervisors."""
    with request.parts.database.read() as tx:
        amounts = [views.amounts(seen.host) for seen in _all(tx)]
    names = views.SUMMED
    return Answer(body={"hypervisor_statistics": {"count": len(amounts)} | {n: sum(one[n] for one in amounts) for n in names}})
