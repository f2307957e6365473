"""What projects used in a period: hours of servers, and of what their flavors gave them."""

from __future__ import annotations

import dataclasses
from typing import Any

from nova_lite import errors
from nova_lite.api import pages
from nova_lite.api.compute import times
from nova_lite.api.microversion import ByVersion
from nova_lite.api.pages import Page
from nova_lite.api.route import Answer, Request
from nova_lite.servers import hours
from nova_lite.servers.hours import Period, Used

View = dict[str, Any]
PAGED = ByVersion({"2.1": False, "2.40": True})
PATH = "/os-simple-tenant-usage"
DETAILED = "1"


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Found:
    """A page of what was used, server by server, and whether another follows."""

    period: Period
    now: float
    used: list[Used]
    more: bool


def list_usage(request: Request) -> Answer:
    """Sum up each project that had a server in the period. Raises: NotFound for a path that names a project of no name."""
    if request.raw.env.get("PATH_INFO", "").endswith("/"):
        raise errors.NotFound
    found = _find(request, None)
    of_project: dict[str, list[Used]] = {}
    for used in found.used:
        of_project.setdefault(used.project_id, []).append(used)
    detailed = request.first("detailed") == DETAILED
    views = [_summary(found, project_id, used, detailed=detailed) for project_id, used in of_project.items()]
    return Answer(body={"tenant_usages": views} | _links(request, found, "tenant_usages_links", PATH))


def show_usage(request: Request) -> Answer:
    """Sum up one project, server by server; nothing at all for one that had none."""
    project_id = request.params["project_id"]
    request.enforce(target={"project_id": project_id})
    found = _find(request, project_id)
    view = _summary(found, project_id, found.used, detailed=True) if found.used else {}
    return Answer(body={"tenant_usage": view} | _links(request, found, "tenant_usage_links", f"{PATH}/{project_id}"))


def _find(request: Request, project_id: str | None) -> _Found:
    paged = PAGED.at(request.version)
    page = pages.read_page(request) if paged else Page(limit=0, marker=None)
    now = request.parts.clock.wall()
    period = _period(request, now)
    with request.parts.database.read() as tx:
        try:
            used = hours.list_used(tx, period, project_id, marker=page.marker, limit=page.fetch if paged else None)
        except errors.NotFound as error:
            raise errors.BadRequest(f"marker [{page.marker}] not found") from error
    more = paged and len(used) > page.limit
    return _Found(period=period, now=now, used=used[: page.limit] if paged else used, more=more)


def _period(request: Request, now: float) -> Period:
    """Read the period, which is empty when none is named. Raises: BadRequest."""
    start, end = request.first("start"), request.first("end")
    period = Period(
        start=times.parse(start, "start") if start else now,
        stop=times.parse(end, "end") if end else now,
    )
    if period.stop < period.start or (start and period.stop == period.start):
        raise errors.BadRequest("Invalid start time. The start time cannot occur after the end time.")
    return period


def _links(request: Request, found: _Found, name: str, path: str) -> View:
    return {name: pages.next_links(request, path, found.used[-1].server_id)} if found.more else {}


def _summary(found: _Found, project_id: str, used: list[Used], *, detailed: bool) -> View:
    period = found.period
    view: View = {
        "tenant_id": project_id,
        "start": times.micro(period.start),
        "stop": times.micro(period.stop),
        "total_hours": sum(one.hours_in(period) for one in used),
        "total_local_gb_usage": sum(one.disk_gib * one.hours_in(period) for one in used),
        "total_memory_mb_usage": sum(one.ram_mib * one.hours_in(period) for one in used),
        "total_vcpus_usage": sum(one.vcpus * one.hours_in(period) for one in used),
    }
    if detailed:
        view["server_usages"] = [_server(found, one) for one in used]
    return view


def _server(found: _Found, used: Used) -> View:
    ended = used.ended_at
    return {
        "instance_id": used.server_id,
        "name": used.name,
        "tenant_id": used.project_id,
        "flavor": used.flavor_name,
        "hours": used.hours_in(found.period),
        "memory_mb": used.ram_mib,
        "local_gb": used.disk_gib,
        "vcpus": used.vcpus,
        "started_at": times.micro(used.started_at),
        "ended_at": times.micro(ended),
        "state": "terminated" if ended is not None else used.state,
        "uptime": int((found.now if ended is None else ended) - used.started_at),
    }
