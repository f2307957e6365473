"""Every route of every service, asked by everybody: who is let through is what the access column of the tables says.

Refused is 401, 403 or 404 (501 where nobody is offered it); let through is anything else. Of what is seldom used (tiers T3
and X) only the refusals are looked at, so that not everything it speaks of has to be made. What a route speaks of belongs to demo's project or to its user
`member`; a read-only auditor may GET everything and do nothing else. `exceptions.py` says where and why it is otherwise.
"""

from __future__ import annotations

import falcon.testing
import orjson
import pytest
from conformance import exceptions, tables
from conformance.examples import body_of
from conformance.tables import Known
from conformance.world import World

from nova_lite.api.microversion import parse, show

BROKEN = ("nobody", "forged", "expired")
CALLERS = (*BROKEN, "reader", "other", "member", "manager", "admin", "auditor", "service")
REFUSALS = (401, 403, 404, 501)
ASKED_WHOLLY = ("T1", "T2")
LADDER = ("reader", "member", "manager", "admin")
READS = ("GET", "HEAD")
# Services' paths to what belongs to demo's project or to its user `member`.
OWNED = {
    "identity": ("/auth/tokens", "/projects/{", "/users/{", "/credentials/{"),
    "compute": ("/servers/{", "/os-quota-sets/{", "/os-keypairs/{", "/os-simple-tenant-usage/{", "/os-volumes_boot/{"),
    "image": ("/images/{",),
    "network": ("/ports/{", "/quotas/{"),
}


def expected(known: Known, caller: str) -> bool:
    """Tell whether a caller is to be let through."""
    line, route = known.line, known.route
    told = exceptions.find(line.service, route, caller)
    if told is not None:
        return told
    if line.access == "none":
        return True
    if caller in BROKEN:
        return False
    if caller == "auditor":
        return route.method in READS
    if line.access == "any":
        return True
    owned = route.path.startswith(OWNED[line.service])
    if line.access == "owner":
        return caller == "admin" or caller == "member" or not owned
    if line.access == "service":
        return caller in ("service", "admin")
    if caller in LADDER:
        return LADDER.index(caller) >= LADDER.index(line.access)
    return caller == "other" and line.access in ("reader", "member") and not owned


def ask(world: World, known: Known, caller: str) -> falcon.testing.Result:
    """Send one request."""
    route, service = known.route, known.service
    headers = {"X-Subject-Token": world.tokens["member"]}
    version = (0, 0)
    if service.versions is not None:
        most = service.versions.most
        version = min(parse(route.max_version), most) if route.max_version else most
        headers["OpenStack-API-Version"] = f"{service.name} {show(version)}"
    if caller != "nobody":
        headers["X-Auth-Token"] = world.tokens[caller]
    things = exceptions.things(world.ids, service.name, route)
    query = exceptions.QUERIES.get((service.name, route.path), "").format_map(things)
    body = exceptions.body(world.ids, service.name, route)
    body = body_of(route, version) if body is None else body
    content = b"\0" * 512 if route.raw else None if body is None else orjson.dumps(body)
    if content is not None:
        headers["Content-Type"] = route.media[0]
    path = service.root + route.path.format_map(things)
    return world.client.simulate_request(route.method, path, query_string=query, headers=headers, body=content)


@pytest.mark.parametrize("known", tables.known_routes(), ids=str)
def test_who_is_let_through(world, known):
    wrong = []
    for caller in CALLERS:
        got = ask(world, known, caller)
        refused_all = exceptions.is_past_the_rule(got.text)
        through = got.status_code not in REFUSALS or refused_all
        if through and known.route.method not in READS:
            world.put_back()
        if expected(known, caller) and known.line.tier not in ASKED_WHOLLY:
            continue
        tells_nothing = got.status_code == 400 or got.status_code in range(500, 600) and got.status_code != 501
        if tells_nothing and not refused_all:
            wrong.append(f"{caller}: the request tells nothing: {got.status_code} {got.text[:200]}")
        elif through != expected(known, caller):
            wrong.append(f"{caller}: is {'' if through else 'not '}let through: {got.status_code} {got.text[:200]}")

    assert not wrong, f"access {known.line.access}:\n" + "\n".join(wrong)


def test_every_route_of_ours_is_in_a_table():
    strange = [
        f"{service.name} {route.method} {route.path} {route.action or ''}"
        for service, route in tables.own_routes()
        if tables.line_of(service.name, route) is None
    ]

    assert not strange
