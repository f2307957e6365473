"""Crafted refusals: the right cause in the sentence, and the cheapest remedy first."""

from __future__ import annotations

import dataclasses

import pytest

from nova_lite.model import wire
from nova_lite.model.ids import HostName
from nova_lite.model.placement import Effort, Explanation, PlacementRequest
from nova_lite.model.resources import Resources
from nova_lite.scheduler import pick as picking
from nova_lite.scheduler.filters.port import refuse
from nova_lite.scheduler.pick import pick

ASKED = Resources(vcpus=2, ram_mib=2048, disk_gib=20)
FULL_RAM = {"used": Resources(ram_mib=65536)}
SOME_RAM = {"used": Resources(ram_mib=65536 - 1024)}
FULL_CPU = {"used": Resources(vcpus=64)}
FULL_DISK = {"used": Resources(disk_gib=990)}
TINY = {"limit": Resources(vcpus=64, ram_mib=1024, disk_gib=1000)}
BURIED = {"used": Resources(vcpus=64, ram_mib=65536, disk_gib=1000)}
OFF = {"enabled": False}
DOWN = {"up": False}
FORCED = {"up": False, "forced_down": True}
OWES = {"tombstones": 2}
ASIDE = {"failed_in_row": 3, "set_aside_s": 60.0, "last_failure": "no bridge"}


def request(**changes):
    return dataclasses.replace(PlacementRequest(server_id="s", project_id="p", asked=ASKED), **changes)


@pytest.fixture
def hosts(make_host):
    """Make hosts h1, h2, ... with those fields."""

    def make(*all_fields):
        found = []
        for number, fields in enumerate(all_fields, 1):
            host = make_host(f"h{number}")
            plain = dict(fields)
            facts = dataclasses.replace(host.facts, zone=plain.pop("zone", "nova"))
            found.append(dataclasses.replace(host, facts=facts, **plain))
        return found

    return make


SEVERAL = {**OFF, **FULL_RAM}
CASES = [
    # hosts, request, words of the cause, the cheapest remedy
    ([], {}, "no compute host has joined", "add a host: nova-lite host add NAME"),
    ([OFF], {}, "is disabled", "enable h1: nova-lite host enable h1"),
    ([DOWN], {}, "is down", "start nova-lite-compute on h1"),
    ([FORCED], {}, "is down", "take back that h1 is forced down"),
    ([OWES], {}, "is cleaning up", "wait until h1 has removed what it owes"),
    ([ASIDE, FULL_RAM], {}, "lacks memory", "free 2048 MiB of memory on h2"),
    ([FULL_RAM], {}, "lacks memory (2048 MiB asked, 0 free at most)", "free 2048 MiB of memory on h1"),
    ([FULL_RAM, SOME_RAM], {}, "2 lack memory (2048 MiB asked, 1024 free at most)", "free 1024 MiB of memory on h2"),
    ([FULL_CPU], {}, "lacks vCPUs (2 asked, 0 free at most)", "free 2 vCPUs on h1"),
    ([FULL_DISK], {}, "lacks disk (20 GiB asked, 10 free at most)", "free 10 GiB of disk on h1"),
    ([TINY], {}, "lacks memory", "add a host that offers 2048 MiB of memory, or ask for less"),
    ([FULL_RAM, OFF], {}, "1 is disabled, 1 lacks memory", "enable h2: nova-lite host enable h2"),
    ([FULL_RAM, DOWN], {}, "1 is down", "free 2048 MiB of memory on h1"),
    ([DOWN, FORCED], {}, "2 are down", "take back that h2 is forced down"),
    ([OFF, OWES], {}, "1 is disabled", "wait until h2 has removed what it owes"),
    ([SEVERAL], {}, "1 is disabled", "enable h1: nova-lite host enable h1, and free 2048 MiB of memory on h1"),
    ([SEVERAL, FULL_DISK], {}, "1 is disabled", "free 10 GiB of disk on h2"),
    ([{}, {}], {"zone": "z"}, "2 are not in zone z", "add a host of zone z, or ask for another zone or none"),
    ([{}, {"zone": "z", **OFF}], {"zone": "z"}, "1 is disabled", "enable h2: nova-lite host enable h2"),
    ([{}, {"zone": "z", **FULL_RAM}], {"zone": "z"}, "1 lacks memory", "free 2048 MiB of memory on h2"),
    ([{}], {"host": "h9"}, "is not the host asked for", "add the host h9, or ask for another or none"),
    ([{}, OFF], {"host": "h2"}, "1 is disabled", "enable h2: nova-lite host enable h2"),
    ([{}, FULL_CPU], {"host": "h2"}, "1 lacks vCPUs", "free 2 vCPUs on h2"),
    ([{}], {"avoid": ("h1",)}, "was tried and failed", "mend what failed on h1, then create the server anew"),
    ([{}, OFF], {"avoid": ("h1",)}, "1 was tried and failed", "enable h2: nova-lite host enable h2"),
    (
        [{}],
        {"image_properties": {"hw_architecture": "aarch64"}},
        "cannot run aarch64 images",
        "add a host that runs aarch64 images, or use another image",
    ),
    (
        [OFF],
        {"image_properties": {"img_hv_type": "xen"}},
        "is disabled",
        "add a host of type xen, or use another image",
    ),
    (
        [{}],
        {"image_properties": {"hw_vm_mode": "exe"}},
        "does not offer mode exe",
        "add a host with mode exe, or use another image",
    ),
    ([TINY, FULL_DISK], {}, "1 lacks disk", "free 10 GiB of disk on h2"),
    ([BURIED, FULL_CPU], {}, "1 lacks memory", "free 2 vCPUs on h2"),
]


@pytest.mark.parametrize(("fields", "asked", "cause", "remedy"), CASES)
def test_a_refusal_has_its_cause_and_its_cheapest_remedy(hosts, fields, asked, cause, remedy):
    ranking = pick(request(**asked), hosts(*fields))

    assert ranking.hosts == ()
    assert cause in ranking.sentence
    assert ranking.explanation.remedies[0] == remedy
    assert not any(f"h{number}" in ranking.sentence.split() for number in range(1, 4)), "users are told no host"


def test_there_are_thirty_crafted_refusals():
    assert len(CASES) >= 30


def test_every_rule_that_refuses_a_host_is_told_not_the_first_alone(hosts):
    (verdict,) = pick(request(zone="z"), hosts({**OFF, **BURIED})).explanation.verdicts

    assert [one.filter for one in verdict.refusals] == ["zone", "state", "ram", "vcpu", "disk"]
    assert [(one.asked, one.free) for one in verdict.refusals[2:]] == [(2048, 0), (2, 0), (20, 0)]


def test_a_chosen_host_shows_the_weights_that_made_it_first(hosts):
    explanation = pick(request(), hosts({}, {"used": Resources(ram_mib=32768)}, {"building": 3}, OFF)).explanation

    best, *rest = [verdict for verdict in explanation.verdicts if not verdict.refusals]
    assert best.host == "h1"
    assert set(best.weights) == {weigher.name for weigher in picking.WEIGHERS} >= {"ram", "vcpu", "building"}
    assert all(sum(best.weights.values()) > sum(other.weights.values()) for other in rest)
    assert (explanation.fitting, explanation.hosts_seen, explanation.remedies) == (3, 4, ())
    assert [(one.reason, one.hosts, one.examples) for one in explanation.reasons] == [("is disabled", 1, ("h4",))]


def test_thousands_of_hosts_are_told_by_reason_with_examples_and_in_bounds(hosts):
    many = hosts(*([FULL_RAM] * 3000), *([OFF] * 2000))

    explanation = pick(request(), many).explanation

    assert [(one.reason, one.hosts) for one in explanation.reasons] == [("lacks memory", 3000), ("is disabled", 2000)]
    assert all(len(one.examples) == 3 for one in explanation.reasons)
    assert sum(verdict.alike for verdict in explanation.verdicts) == 5000
    assert len(str(wire.to_plain(explanation))) < 65536


def test_hosts_with_nothing_in_common_stay_in_bounds_too(hosts):
    many = hosts(*({"used": Resources(ram_mib=65536 - number % 2000, vcpus=60 + number % 5)} for number in range(3000)))

    explanation = pick(request(), many).explanation

    assert len(explanation.verdicts) == 64
    assert len(str(wire.to_plain(explanation))) < 65536


def test_hosts_that_are_alike_are_each_named_with_their_own_remedy(hosts):
    explanation = pick(request(), hosts(OFF, OFF)).explanation

    assert {verdict.host: verdict.refusals[0].remedy for verdict in explanation.verdicts} == {
        "h1": "enable h1: nova-lite host enable h1",
        "h2": "enable h2: nova-lite host enable h2",
    }


def test_a_rule_that_says_no_remedy_is_explained_by_its_reason(hosts, monkeypatch):
    class Moody:
        name = "moody"

        def passes(self, request, host):
            return refuse(self.name, host, "does not want to", "do not want to")

    monkeypatch.setattr(picking, "FILTERS", (Moody(),))

    explanation = pick(request(), hosts({})).explanation

    assert explanation.filters == ("moody",)
    assert explanation.remedies == ("see to h1: it does not want to",)
    assert explanation.verdicts[0].refusals[0].effort is Effort.MEND


def test_an_explanation_survives_the_wire(hosts):
    explanation = pick(request(host=HostName("h2")), hosts({}, OFF)).explanation

    assert wire.from_plain(Explanation, wire.to_plain(explanation)) == explanation
