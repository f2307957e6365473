"""The scheduler's memory of hosts."""

from __future__ import annotations

import pytest

from nova_lite import errors
from nova_lite.clock import SimulatedClock
from nova_lite.model import wire
from nova_lite.model.placement import PlacementRequest, Ranking
from nova_lite.model.resources import Resources
from nova_lite.scheduler.service import SchedulerService
from nova_lite.scheduler.view import HostView


class Book:
    def __init__(self, hosts):
        self.hosts = hosts
        self.reads = 0
        self.away = False

    def __call__(self):
        if self.away:
            raise errors.Unavailable
        self.reads += 1
        return self.hosts


@pytest.fixture
def two_hosts(make_host):
    return Book([make_host("a"), make_host("b")])


def test_hosts_are_read_once_a_second(two_hosts):
    clock = SimulatedClock()
    view = HostView(two_hosts, clock)

    for _ in range(10):
        view.hosts()
    clock.now += 1.5
    view.hosts()

    assert two_hosts.reads == 2


def test_what_was_promised_counts_until_the_next_reading(two_hosts):
    clock = SimulatedClock()
    view = HostView(two_hosts, clock)
    asked = PlacementRequest(server_id="s", project_id="p", asked=Resources(vcpus=2, ram_mib=100))

    best = view.rank(asked).hosts[0]

    (promised,) = [host for host in view.hosts() if host.name == best]
    assert (promised.used, promised.building) == (Resources(vcpus=2, ram_mib=100), 1)
    clock.now += 1.5
    assert {host.used for host in view.hosts()} == {Resources()}


def test_an_old_view_serves_while_the_database_is_away_but_not_for_ever(two_hosts):
    clock = SimulatedClock()
    view = HostView(two_hosts, clock)
    view.hosts()
    two_hosts.away = True

    clock.now += 5
    assert len(view.hosts()) == 2
    clock.now += 6
    with pytest.raises(errors.Unavailable):
        view.hosts()


def test_a_burst_of_requests_spreads_within_one_reading(two_hosts):
    service = SchedulerService(HostView(two_hosts, SimulatedClock()))
    body = {"project_id": "p", "asked": {"vcpus": 1, "ram_mib": 64, "disk_gib": 0}}

    firsts = [wire.from_plain(Ranking, service.rank({**body, "server_id": f"s{number}"})).hosts[0] for number in range(20)]

    assert sorted(firsts) == ["a"] * 10 + ["b"] * 10


def test_a_host_that_came_just_before_the_request_is_seen_before_it_is_refused(two_hosts, make_host):
    clock = SimulatedClock()
    service = SchedulerService(HostView(two_hosts, clock))
    body = {"server_id": "s", "project_id": "p", "asked": {"vcpus": 1, "ram_mib": 64, "disk_gib": 0}}
    service.rank(body)
    clock.now += 0.5
    two_hosts.hosts = [*two_hosts.hosts, make_host("c")]

    ranking = wire.from_plain(Ranking, service.rank({**body, "host": "c"}))

    assert ranking.hosts == ("c",)
    assert two_hosts.reads == 2


def test_a_refusal_from_what_was_read_since_the_request_came_is_told_at_once(two_hosts):
    service = SchedulerService(HostView(two_hosts, SimulatedClock()))
    body = {"server_id": "s", "project_id": "p", "asked": {"vcpus": 1000, "ram_mib": 64, "disk_gib": 0}}

    ranking = wire.from_plain(Ranking, service.rank(body))

    assert ranking.hosts == ()
    assert two_hosts.reads == 1
