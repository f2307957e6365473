"""What is sent to a route: a good request, which tests change at one place or send as it is."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import falcon.testing
import orjson
from conformance import exceptions
from conformance.examples import body_of
from conformance.tables import Known
from conformance.world import World

from nova_lite.api.microversion import Version, parse, show


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """A request. `things` are the values of the path's fields; `path` is written with them when it is sent."""

    method: str
    path: str
    things: dict[str, str]
    headers: dict[str, str]
    query: str = ""
    content: bytes | None = None

    def send(self, world: World) -> falcon.testing.Result:
        path = self.path.format_map(self.things)
        return world.client.simulate_request(
            self.method, path, query_string=self.query, headers=self.headers, body=self.content
        )


def version_of(known: Known) -> Version:
    """Give the last microversion that has a route."""
    if known.service.versions is None:
        return (0, 0)
    return parse(known.route.max_version) if known.route.max_version else known.service.versions.most


def good_body(world: World, known: Known) -> Any:
    """Give a body that the route takes; None when it takes none."""
    body = exceptions.body(world.ids, known.service.name, known.route)
    return body_of(known.route, version_of(known)) if body is None else body


def good_request(world: World, known: Known, caller: str) -> Asked:
    """Make a request that the route takes, of somebody or of `nobody`."""
    route, service = known.route, known.service
    headers = {"X-Subject-Token": world.tokens["member"]}
    if service.versions is not None:
        headers["OpenStack-API-Version"] = f"{service.name} {show(version_of(known))}"
    if caller != "nobody":
        headers["X-Auth-Token"] = world.tokens[caller]
    known_things = exceptions.things(world.ids, service.name, route)
    things = {name: known_things[name] for name in re.findall(r"\{(\w+)\}", route.path)}
    body = good_body(world, known)
    content = b"\0" * 512 if route.raw else None if body is None else orjson.dumps(body)
    if content is not None:
        headers["Content-Type"] = route.media[0]
    query = exceptions.QUERIES.get((service.name, route.path), "").format_map(known_things)
    return Asked(
        method=route.method, path=service.root + route.path, things=things, headers=headers, query=query, content=content
    )
