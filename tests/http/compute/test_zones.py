"""Aggregates that name the zones of hosts, where hosts have no servers yet."""

from __future__ import annotations

import pytest

from nova_lite.conf.scheduler import SchedulerOptions
from nova_lite.inventory import hosts
from nova_lite.model.host import HostFacts
from nova_lite.model.resources import Resources

FACTS = HostFacts(
    hypervisor_type="QEMU",
    hypervisor_version=1,
    hypervisor_hostname="spare",
    architectures=("x86_64",),
    total=Resources(vcpus=4, ram_mib=8192, disk_gib=100),
)


@pytest.fixture
def ask(client, world, variables, database):
    """Give a function that sends a request as admin in a cloud with one more host, on which no server lives."""

    def add(tx):
        hosts.add_host(tx, "spare", zone="own")
        hosts.register(tx, "spare", FACTS, SchedulerOptions())

    database.transact(add)
    headers = {"X-Auth-Token": world.tokens["admin"]}

    def send(method, path, body=None, status=200):
        got = client.simulate_request(method, f"/compute/v2.1{path}", headers=headers, json=body)
        assert got.status_code == status, got.text
        return got.json if got.text else None

    return send


@pytest.fixture
def make(ask):
    """Give a function that makes an aggregate in a zone and gives its path."""

    def made(name, zone=None):
        body = {"aggregate": {"name": name, "availability_zone": zone}}
        return f"/os-aggregates/{ask('POST', '/os-aggregates', body)['aggregate']['id']}"

    return made


def zone_of(ask):
    return ask("GET", "/os-services?host=spare")["services"][0]["zone"]


def add(path, ask, status=200):
    return ask("POST", f"{path}/action", {"add_host": {"host": "spare"}}, status)


def test_a_host_in_an_aggregate_is_in_its_zone_and_returns_to_its_own(ask, make):
    east = make("fast", "east")

    add(east, ask)

    assert zone_of(ask) == "east"
    assert "east" in [zone["zoneName"] for zone in ask("GET", "/os-availability-zone")["availabilityZoneInfo"]]
    ask("POST", f"{east}/action", {"remove_host": {"host": "spare"}})
    assert zone_of(ask) == "own"


def test_a_changed_zone_moves_the_hosts_along(ask, make):
    aggregate = make("fast", "east")
    add(aggregate, ask)

    ask("PUT", aggregate, {"aggregate": {"availability_zone": "west"}})
    west = zone_of(ask)
    ask("POST", f"{aggregate}/action", {"set_metadata": {"metadata": {"availability_zone": None}}})

    assert (west, zone_of(ask)) == ("west", "own")


def test_servers_are_made_in_the_zones_that_aggregates_name(ask, make, variables):
    server = {"name": "s", "flavorRef": "1", "imageRef": variables["image"], "availability_zone": "east"}
    ask("POST", "/servers", {"server": server}, 400)

    add(make("fast", "east"), ask)

    ask("POST", "/servers", {"server": server}, 202)
    ask("POST", "/servers", {"server": server | {"availability_zone": "own"}}, 400)


def test_a_host_is_never_in_two_zones(ask, make):
    add(make("first", "east"), ask)
    second, third = make("second", "west"), make("third")
    add(third, ask)

    refused = add(second, ask, 409)["conflictingRequest"]["message"]
    ask("POST", f"{third}/action", {"set_metadata": {"metadata": {"availability_zone": "west"}}}, 400)
    ask("PUT", third, {"aggregate": {"name": "fourth", "availability_zone": "west"}}, 400)

    assert refused == "Host spare would be in the availability zones east and west at once."
    assert ask("GET", second)["aggregate"]["hosts"] == []
    assert (ask("GET", third)["aggregate"]["name"], ask("GET", third)["aggregate"]["metadata"]) == ("third", {})
    assert zone_of(ask) == "east"


def test_two_aggregates_may_name_the_same_zone(ask, make):
    first, second = make("first", "east"), make("second", "east")
    add(first, ask)
    add(second, ask)

    ask("POST", f"{first}/action", {"remove_host": {"host": "spare"}})

    assert zone_of(ask) == "east"


def test_a_forgotten_host_leaves_its_aggregates(ask, make, database):
    aggregate = make("fast", "east")
    add(aggregate, ask)

    database.transact(lambda tx: hosts.remove_host(tx, "spare"))

    assert ask("GET", aggregate)["aggregate"]["hosts"] == []
