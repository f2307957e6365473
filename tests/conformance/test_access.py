"""Every route of every service, asked by everybody: who is let through is what the access column of the tables says.

Refused is 401, 403 or 404 (501 where nobody is offered it); let through is anything else. Of what is seldom used (tiers T3
and X) only the refusals are looked at, so that not everything it speaks of has to be made. What a route speaks of belongs to demo's project or to its user
`member`; a read-only auditor may GET everything and do nothing else. `exceptions.py` says where and why it is otherwise.
"""

from __future__ import annotations

import orjson
import pytest
from conformance import exceptions, tables
from conformance.asking import good_request
from conformance.tables import Known

BROKEN = ("nobody", "forged", "expired")
CALLERS = (*BROKEN, "reader", "other", "member", "manager", "admin", "auditor", "service")
REFUSALS = (401, 403, 404, 501)
ASKED_WHOLLY = ("T1", "T2")
LADDER = ("reader", "member", "manager", "admin")
READS = ("GET", "HEAD")
# Services' paths to what belongs to demo's project or to its user `member`.
OWNED = {
    "identity": ("/auth/tokens", "/projects/{", "/users/{", "/credentials/{"),
    "compute": (
        "/servers/{",
        "/os-quota-sets/{",
        "/os-keypairs/{",
        "/os-server-groups/{",
        "/os-simple-tenant-usage/{",
        "/os-volumes_boot/{",
    ),
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


@pytest.mark.parametrize("known", tables.known_routes(), ids=str)
def test_who_is_let_through(world, known):
    wrong = []
    for caller in CALLERS:
        got = good_request(world, known, caller).send(world)
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


@pytest.mark.parametrize("known", [one for one in tables.known_routes() if one.service.name == "identity"], ids=str)
@pytest.mark.parametrize("caller", exceptions.DOMAIN_PEOPLE)
def test_who_is_let_through_with_a_token_of_a_domain(world, known, caller):
    got = good_request(world, known, caller).send(world)
    through = got.status_code not in REFUSALS
    if through and known.route.method not in READS:
        world.put_back()
    wanted = known.line.access in ("none", "any") or exceptions.of_domain(known.route, caller)
    if not wanted or known.line.tier in ASKED_WHOLLY:
        assert through == wanted, f"{got.status_code} {got.text[:200]}"


@pytest.mark.parametrize("known", [one for one in tables.known_routes() if one.service.name == "compute"], ids=str)
@pytest.mark.parametrize("caller", exceptions.DOMAIN_PEOPLE)
def test_compute_has_nothing_for_a_token_of_a_domain(world, known, caller):
    """But what anybody may see, and the key pairs of the token's own user. What was removed (410) tells nothing of anybody."""
    got = good_request(world, known, caller).send(world)
    through = got.status_code not in (*REFUSALS, 410)
    if through and known.route.method not in READS:
        world.put_back()
    wanted = known.line.access in ("none", "any") or known.route.path == "/os-keypairs"
    if not wanted or known.line.tier in ASKED_WHOLLY:
        assert through == wanted, f"{got.status_code} {got.text[:200]}"


@pytest.mark.parametrize("path", exceptions.FAR_LISTS)
def test_lists_show_nothing_of_another_domain(world, path):
    headers = {"X-Auth-Token": world.tokens["foreign_manager"]}
    got = world.client.simulate_get(f"/identity/v3{path}", headers=headers)

    assert got.status_code == 200
    assert "default" not in orjson.dumps(got.json).decode()


def test_every_route_whose_rule_the_handler_enforces_is_asked_by_a_stranger():
    asked = {(known.service.name, known.route.method, known.route.path) for known in tables.known_routes()}
    by_handler = {(service.name, route.method, route.path) for service, route in tables.own_routes() if route.by_handler}

    assert by_handler
    assert by_handler <= asked


def test_every_route_of_ours_is_in_a_table():
    strange = [
        f"{service.name} {route.method} {route.path} {route.action or ''}"
        for service, route in tables.own_routes()
        if tables.line_of(service.name, route) is None
    ]

    assert not strange
