"""Hosts in groups: the same answers as one by one, with far fewer looks."""

from __future__ import annotations

import dataclasses
import random

import pytest

from nova_lite.model.ids import HostName
from nova_lite.model.placement import PlacementRequest
from nova_lite.model.resources import Resources
from nova_lite.scheduler import crowd as crowds
from nova_lite.scheduler import pick as picking
from nova_lite.scheduler.crowd import Crowd
from nova_lite.scheduler.pick import pick, pick_of

ASKED = Resources(vcpus=1, ram_mib=512, disk_gib=1)


def request(**changes):
    return dataclasses.replace(PlacementRequest(server_id="s", project_id="p", asked=ASKED), **changes)


@pytest.fixture
def many(make_host):
    """2000 hosts, each with one of ten fillings, some disabled."""
    chance = random.Random(7)
    return [
        dataclasses.replace(
            make_host(f"h{number}"),
            used=Resources(vcpus=number % 10, ram_mib=6_550 * (number % 11)),
            enabled=chance.random() > 0.1,
        )
        for number in range(2000)
    ]


def test_rules_look_once_at_each_group(many, monkeypatch):
    looks = []

    class Counting:
        name = "counting"

        def passes(self, _request, host):
            looks.append(host.name)

    monkeypatch.setattr(picking, "FILTERS", (Counting(),))

    pick(request(), many)

    assert len(looks) == len({(host.used, host.enabled) for host in many}) <= 220


@pytest.mark.parametrize(
    "asked",
    [{}, {"host": "h7"}, {"avoid": ("h1", "h5", "gone")}, {"zone": "z"}, {"asked": Resources(ram_mib=40000)}, {"count": 40}],
)
def test_groups_answer_as_hosts_one_by_one_do(many, monkeypatch, asked):
    together = pick(request(**asked), many)
    monkeypatch.setattr(crowds, "UNDERSTOOD", frozenset())

    apart = pick(request(**asked), many)

    assert together.counts == apart.counts
    assert together.sentence == apart.sentence
    assert together.hosts_seen == apart.hosts_seen == 2000
    fillings = {host.name: host.used for host in many}
    assert {fillings[name] for name in together.hosts[:1]} == {fillings[name] for name in apart.hosts[:1]}


def test_a_request_with_a_wish_that_is_not_understood_looks_at_each_host(many, monkeypatch):
    monkeypatch.setattr(crowds, "UNDERSTOOD", crowds.UNDERSTOOD - {"zone"})

    assert len(Crowd(many).groups(request(zone="z"))) == 2000
    assert len(Crowd(many).groups(request())) < 250


def test_a_host_that_fills_up_leaves_its_group(many):
    crowd = Crowd(many)
    first = crowd.find(HostName("h0"))

    crowd.put(dataclasses.replace(first, used=Resources(vcpus=63)))

    names = [group.names for group in crowd.groups(request()) if "h0" in group.names]
    assert names == [("h0",)]
    assert len(crowd.hosts()) == 2000
    assert pick_of(request(), crowd).hosts_seen == 2000


def test_every_host_of_a_group_has_its_turn(make_host):
    crowd = Crowd(make_host(f"h{number}") for number in range(40))

    firsts = {pick_of(request(server_id=f"s{number}"), crowd).hosts[0] for number in range(400)}

    assert len(firsts) == 40
    assert all(len(set(pick_of(request(server_id=f"s{n}"), crowd).hosts)) == 32 for n in range(20))


def test_rules_are_not_asked_again_when_another_host_leaves_a_group(make_host, monkeypatch):
    crowd = Crowd(make_host(f"h{number}") for number in range(8))
    pick_of(request(), crowd)
    looks = []

    class Counting:
        name = "counting"

        def passes(self, _request, host):
            looks.append(host.name)

    monkeypatch.setattr(picking, "FILTERS", (Counting(),))
    crowd.put(dataclasses.replace(crowd.find(HostName("h3")), used=ASKED))
    pick_of(request(), crowd)
    assert looks == ["h3"], "the others are as they were"

    crowd.put(dataclasses.replace(crowd.find(HostName("h0")), used=ASKED))
    ranking = pick_of(request(), crowd)

    assert looks[1:] == ["h1"], "the host that was looked at has left: another stands for the group"
    assert ranking.hosts_seen == 8


def test_a_crowd_that_changed_under_many_requests_answers_as_a_new_one(many):
    """What is kept from request to request must never be seen in an answer."""
    crowd, chance = Crowd(many), random.Random(3)
    asked = [ASKED, Resources(vcpus=4, ram_mib=30000), Resources(vcpus=1, ram_mib=64000), Resources(vcpus=99)]
    for number in range(300):
        wish = request(server_id=f"s{number}", asked=asked[number % 4], count=chance.choice((1, 1, 1, 5)))

        kept, new = pick_of(wish, crowd), pick_of(wish, Crowd(crowd.hosts()))

        assert (kept.counts, kept.sentence, kept.hosts_seen, kept.passing) == (
            new.counts,
            new.sentence,
            new.hosts_seen,
            new.passing,
        )
        counted = [[(one.reason, one.hosts, one.most_free) for one in ranking.explanation.reasons] for ranking in (kept, new)]
        assert counted[0] == counted[1]
        weights = [[verdict.weights for verdict in ranking.explanation.verdicts] for ranking in (kept, new)]
        assert weights[0] == weights[1]
        assert all(refusal.host in kept.hosts or crowd.find(refusal.host) for refusal in kept.refusals)
        for name in kept.hosts[:1]:
            before = crowd.find(name)
            used = Resources(vcpus=before.used.vcpus + 1, ram_mib=before.used.ram_mib + 9000)
            crowd.put(dataclasses.replace(before, used=used, building=before.building + 1))


def test_a_remedy_names_the_host_that_it_is_for(make_host):
    off = [dataclasses.replace(make_host(name), enabled=False) for name in ("a", "b", "c")]

    refusals = pick(request(), off).refusals

    assert [refusal.remedy for refusal in refusals] == [f"enable {name}: nova-lite host enable {name}" for name in "abc"]
