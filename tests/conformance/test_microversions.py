"""The microversions of the Compute API against the original's tables: where routes begin and end, and what each one changed."""

from __future__ import annotations

import pytest
from conformance import exceptions, microversions, tables
from conformance.microversions import SEEN_ON, after, before, fits
from conformance.tables import Known
from conformance.world import World

from nova_lite.api.compute import versions
from nova_lite.api.microversion import parse, show
from nova_lite.api.route import Route

FIRST, LAST = parse(versions.MIN), parse(versions.MAX)
KNOWN = [known for known in tables.known_routes() if known.service.name == "compute"]
BEGIN = [known for known in KNOWN if known.route.min_version]
END = [known for known in KNOWN if known.route.max_version]


def test_the_range_is_the_originals():
    found = microversions.history()

    assert (found[0], found[-1]) == (versions.MIN, versions.MAX)


@pytest.mark.parametrize("line", {known.line.name: known for known in KNOWN}.values(), ids=lambda known: known.line.name)
def test_a_route_begins_and_ends_with_the_originals(line: Known):
    ours = [known.route for known in KNOWN if known.line == line.line]
    begins = [parse(route.min_version) if route.min_version else FIRST for route in ours]
    ends = [parse(route.max_version) if route.max_version else LAST for route in ours]

    assert min(begins) == (parse(line.line.min_version) if line.line.min_version else FIRST)
    assert max(ends) == (parse(line.line.max_version) if line.line.max_version else LAST)


@pytest.mark.parametrize("known", BEGIN, ids=str)
def test_below_its_first_version_a_route_is_not_there(world: World, known: Known):
    assert _status(world, known, show(before(parse(known.route.min_version)))) == 404


@pytest.mark.parametrize("known", [known for known in END if not known.route.path.startswith("/os-services/")], ids=str)
def test_above_its_last_version_a_route_is_not_there(world: World, known: Known):
    """The words of /os-services are ids of services from 2.53 on, and none has such an id: its stories look at that."""
    assert _status(world, known, show(after(parse(known.route.max_version)))) == 404


def _status(world: World, known: Known, version: str) -> int:
    route = known.route
    filled = route.path.format_map(exceptions.things(world.ids, "compute", route))
    headers = {"X-Auth-Token": world.tokens["admin"], "X-OpenStack-Nova-API-Version": version}
    body = {route.action: None} if route.action else {} if route.method == "PUT" else None
    return world.client.simulate_request(route.method, f"/compute/v2.1{filled}", headers=headers, json=body).status_code


def test_it_is_known_on_which_request_each_microversion_is_seen():
    assert list(SEEN_ON) == microversions.history()[1:]


@pytest.mark.parametrize("version", SEEN_ON)
def test_a_story_asks_the_last_old_and_the_first_new_version(version: str):
    wanted = SEEN_ON[version]
    if not any(_shows(wanted, known.route) for known in KNOWN):
        pytest.skip(f"{wanted} is not served yet")

    asked = {version for version, method, path, body in microversions.told() if fits(wanted, method, path, body)}

    new = parse(version)
    assert new in asked, f"no story asks {wanted} at {version}"
    assert before(new) in asked, f"no story asks {wanted} at {show(before(new))}"


def _shows(wanted: str, route: Route) -> bool:
    return fits(wanted, route.method, route.path, {route.action: None} if route.action else None)
