"""The route tables of the original services, and which of their lines each of our routes is."""

from __future__ import annotations

import csv
import dataclasses
import functools
import re
from pathlib import Path

from nova_lite.api.route import Route
from nova_lite.api.service import Service
from nova_lite.api.services import load
from nova_lite.conf.api import SERVICES

FOLDER = Path(__file__).parent / "routes"
# What stands before a path in a table is a part of the service's root here.
ROOTS = {"identity": "/v3", "compute": "", "image": "/v2", "network": "/v2.0"}
OLD_PROJECT_PATH = "/{url_project}"  # each line of Compute exists a second time with the project in front
COLUMNS = ("method", "path", "action", "access", "tier", "min_version", "max_version")
_FIELD = re.compile(r"\{[^}]*\}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a table. `access` is the least role that is let through: none (no token), any, reader ... admin, owner."""

    service: str
    method: str
    path: str
    action: str
    access: str
    tier: str
    min_version: str = ""
    max_version: str = ""

    @property
    def name(self) -> str:
        return f"{self.method} {self.path} {self.action}".rstrip()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Known:
    """A route of ours with its line."""

    service: Service
    route: Route
    line: Line

    def __str__(self) -> str:
        version = f" from {self.route.min_version}" if self.route.min_version else ""
        version += f" to {self.route.max_version}" if self.route.max_version else ""
        action = f" {self.route.action}" if self.route.action else ""
        return f"{self.service.name} {self.route.method} {self.route.path}{action}{version}"


def _key(method: str, path: str, action: str) -> tuple[str, str, str]:
    return method, _FIELD.sub("{}", path).rstrip("/").removesuffix(".json"), action


@functools.cache
def lines(service: str) -> dict[tuple[str, str, str], Line]:
    """Read a service's table."""
    with (FOLDER / f"{service}.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    found = {}
    for row in rows:
        wanted = {name: row.get(name) or "" for name in COLUMNS}
        found[_key(row["method"], row["path"], row["action"])] = Line(service=service, **wanted)
    return found


def line_of(service: str, route: Route) -> Line | None:
    """Find the line of a route; HEAD is a part of GET's."""
    table = lines(service)
    method = "GET" if route.method == "HEAD" else route.method
    path = ROOTS[service] + route.path
    exact = table.get(_key(method, path, route.action or ""))
    if exact is not None:
        return exact
    for line in table.values():  # a word of ours (`/os-services/enable`) where the table has a field
        if line.method == method and line.action == (route.action or "") and _fits(line.path, path):
            return line
    return None


def _fits(pattern: str, path: str) -> bool:
    return re.fullmatch(_FIELD.sub("[^/]+", pattern), path) is not None


@functools.cache
def own_routes() -> tuple[tuple[Service, Route], ...]:
    """List every route of every service, the old paths with the project in them left out."""
    return tuple(
        (service, route)
        for service in load(SERVICES)
        for route in service.routes
        if not route.path.startswith(OLD_PROJECT_PATH)
    )


def known_routes() -> list[Known]:
    """List our routes that a table has."""
    found = ((service, route, line_of(service.name, route)) for service, route in own_routes())
    return [Known(service=service, route=route, line=line) for service, route, line in found if line is not None]


def absent(service: str, tiers: tuple[str, ...]) -> list[Line]:
    """List the lines of some tiers that no route of ours is."""
    present = {known.line for known in known_routes()}
    documents = {_key(route.method, _document(served, route), "") for served in load([service]) for route in served.documents}
    return [line for key, line in lines(service).items() if line.tier in tiers and line not in present and key not in documents]


def _document(service: Service, route: Route) -> str:
    """Give a version document's path as tables have it: Compute's begin at the version, others' above."""
    start = service.root if service.name == "compute" else service.prefix
    return route.path.removeprefix(start)
