"""Choosing hosts: what fits, in which order, and the sentence a user reads when nothing does."""

from __future__ import annotations

import dataclasses

import pytest

from nova_lite.model.host import Host, HostFacts
from nova_lite.model.ids import HostName
from nova_lite.model.placement import PlacementRequest
from nova_lite.model.resources import Resources
from nova_lite.scheduler.pick import pick

AMPLE = Resources(vcpus=64, ram_mib=65536, disk_gib=1000)


def host(name: str, *, limit: Resources = AMPLE, used: Resources | None = None, **changes: object) -> Host:
    facts = HostFacts(
        hypervisor_type="QEMU",
        hypervisor_version=7002022,
        hypervisor_hostname=name,
        architectures=("x86_64", "i686"),
        total=limit,
        zone=str(changes.pop("zone", "nova")),
    )
    plain = Host(
        name=HostName(name),
        uuid=name,
        facts=facts,
        limit=limit,
        used=used or Resources(),
        generation=1,
        incarnation=1,
        enabled=True,
        disabled_reason=None,
        forced_down=False,
        up=True,
        tombstones=0,
    )
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def request(**changes: object) -> PlacementRequest:
    asked = Resources(vcpus=1, ram_mib=512, disk_gib=1)
    plain = PlacementRequest(server_id="s", project_id="p", asked=asked)
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def test_the_sentence_counts_each_reason_and_tells_the_missing_amount():
    small = dataclasses.replace(AMPLE, ram_mib=320)
    hosts = [
        host("a", limit=small),
        host("b", limit=dataclasses.replace(AMPLE, ram_mib=100)),
        host("c", limit=dataclasses.replace(AMPLE, ram_mib=64)),
        host("d", enabled=False),
    ]

    ranking = pick(request(), hosts)

    assert ranking.hosts == ()
    assert ranking.sentence == "of 4 hosts 3 lack memory (512 MiB asked, 320 free at most), 1 is disabled"
    assert ranking.counts == {"lacks memory": 3, "is disabled": 1}


def test_one_host_is_spoken_of_in_the_singular():
    ranking = pick(request(), [host("a", up=False)])

    assert ranking.sentence == "of 1 host 1 is down"


@pytest.mark.parametrize(
    ("fields", "passing"),
    [
        ({"up": False, "last_seen_age_s": 60.0}, True),
        ({"up": False, "last_seen_age_s": 3600.0}, False),
        ({"up": False}, False),
        ({"up": False, "last_seen_age_s": 60.0, "forced_down": True}, False),
        ({"tombstones": 1}, True),
        ({"enabled": False}, False),
    ],
)
def test_a_refusal_that_may_be_over_in_a_moment_says_so(fields, passing):
    assert pick(request(), [host("a", **fields)]).passing is passing


def test_without_hosts_the_sentence_says_so():
    assert pick(request(), []).sentence == "no compute host has joined this cloud yet"


@pytest.mark.parametrize(
    ("changes", "asked", "reason"),
    [
        ({"enabled": False}, {}, "is disabled"),
        ({"up": False}, {}, "is down"),
        ({"tombstones": 2}, {}, "is cleaning up after an outage"),
        ({"used": dataclasses.replace(AMPLE, ram_mib=65100, vcpus=0, disk_gib=0)}, {}, "lacks memory"),
        ({"used": Resources(vcpus=64)}, {}, "lacks vCPUs"),
        ({"used": Resources(disk_gib=1000)}, {}, "lacks disk"),
        ({"zone": "east"}, {"zone": "west"}, "is not in zone west"),
        ({}, {"host": HostName("other")}, "is not the host asked for"),
        ({}, {"avoid": (HostName("a"),)}, "was tried and failed"),
        ({}, {"image_properties": {"hw_architecture": "aarch64"}}, "cannot run aarch64 images"),
        ({}, {"image_properties": {"img_hv_type": "xen"}}, "is not a xen host"),
        ({}, {"image_properties": {"hw_vm_mode": "exe"}}, "does not offer mode exe"),
    ],
)
def test_a_host_is_refused_with_its_reason(changes, asked, reason):
    ranking = pick(request(**asked), [host("a", **changes)])

    assert [refusal.reason for refusal in ranking.refusals] == [reason]


@pytest.mark.parametrize(
    "properties",
    [
        {"hw_architecture": "x86_64"},
        {"architecture": "amd64"},
        {"img_hv_type": "kvm"},
        {"hypervisor_type": "qemu"},
        {"hw_vm_mode": "hvm"},
        {"os_distro": "debian"},
    ],
)
def test_image_properties_that_the_host_serves_let_it_pass(properties):
    ranking = pick(request(image_properties=properties), [host("a")])

    assert ranking.hosts == ("a",)


def test_exactly_what_is_free_fits():
    exact = Resources(vcpus=1, ram_mib=512, disk_gib=1)

    assert pick(request(), [host("a", limit=exact)]).hosts == ("a",)


def test_the_emptier_host_comes_first():
    hosts = [host("full", used=Resources(ram_mib=60000, vcpus=10)), host("empty")]

    assert pick(request(), hosts).hosts == ("empty", "full")


def test_a_host_that_builds_much_comes_last():
    hosts = [host("busy", building=8), host("idle")]

    assert pick(request(), hosts).hosts == ("idle", "busy")


def test_ties_are_broken_by_the_server_so_that_servers_spread():
    hosts = [host(f"h{number}") for number in range(8)]

    firsts = {pick(request(server_id=f"s{number}"), hosts).hosts[0] for number in range(64)}

    assert len(firsts) > 4


def test_the_same_request_gives_the_same_ranking():
    hosts = [host(f"h{number}") for number in range(8)]

    assert pick(request(), hosts) == pick(request(), hosts)


ASIDE = {"failed_in_row": 3, "set_aside_s": 120.0, "last_failure": "no bridge br0"}


def test_a_host_that_failed_too_often_is_refused_in_words():
    ranking = pick(request(), [host("a", **ASIDE), host("b")])

    assert ranking.hosts == ("b",)
    (refusal,) = ranking.refusals
    assert refusal.reason == "is set aside after failed builds"
    assert refusal.detail == "3 builds in a row failed; set aside for 2 more min; last: no bridge br0"


def test_an_operator_who_names_a_host_gets_it_though_it_is_set_aside():
    ranking = pick(request(host=HostName("a")), [host("a", **ASIDE), host("b")])

    assert "a" in ranking.hosts


def test_when_every_host_is_set_aside_those_that_failed_least_stay_in_use():
    worse = {**ASIDE, "failed_in_row": 7}

    ranking = pick(request(), [host("a", **worse), host("b", **ASIDE), host("c", enabled=False), host("d", up=False)])

    assert ranking.hosts == ("b",)
    assert ranking.on_trial == ()


def test_a_full_host_that_works_keeps_bad_hosts_set_aside():
    ranking = pick(request(), [host("a", **ASIDE), host("b", limit=Resources())])

    assert ranking.hosts == ()
    assert "1 is set aside after failed builds" in ranking.sentence


def test_a_host_whose_time_aside_is_over_is_named_as_on_trial():
    tried = {**ASIDE, "set_aside_s": None}

    assert pick(request(), [host("a", **tried), host("b")]).on_trial == ("a",)


def test_many_servers_at_once_do_not_try_a_host_out():
    tried = {**ASIDE, "set_aside_s": None}

    assert pick(request(count=5), [host("a", **tried), host("b")]).hosts == ("b",)
    assert pick(request(count=5), [host("a", **tried)]).hosts == ("a",)
