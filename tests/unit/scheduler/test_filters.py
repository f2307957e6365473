"""Each filter's cases: what was asked, what the host is, and the reason in words (None: it passes)."""

from __future__ import annotations

import dataclasses

import pytest

from nova_lite.model.ids import HostName
from nova_lite.model.placement import Hints, Neighbours, PlacementRequest
from nova_lite.model.resources import Resources
from nova_lite.model.server_group import GroupRule
from nova_lite.scheduler.pick import FILTERS, pick

CPU = '{"arch": "x86_64", "model": "Haswell", "features": ["aes", "avx2"], "topology": {"cores": 8, "threads": 2}}'


def request(**changes):
    plain = PlacementRequest(server_id="s", project_id="p", asked=Resources(vcpus=1, ram_mib=512, disk_gib=1))
    return dataclasses.replace(plain, **changes)


def in_group(policy, members, most=1):
    rule = GroupRule(policy=policy, max_per_host=most, members=members)
    return request(neighbours=Neighbours(group=rule))


def metadata(**values):
    return tuple((key, frozenset(value.split(","))) for key, value in values.items())


@pytest.fixture
def host(make_host):
    plain = make_host("a")
    facts = dataclasses.replace(plain.facts, cpu_info=CPU, host_ip="10.0.1.7", traits=("HW_CPU_X86_AVX2", "CUSTOM_GPU"))
    return dataclasses.replace(plain, facts=facts)


def reason(asked, host):
    """Give what falls out first, as the choice does."""
    ranking = pick(asked, [host])
    return ranking.refusals[0].reason if ranking.refusals else None


APART = "has enough servers of the group (anti-affinity)"
TOGETHER = "is not the group's host (affinity)"


@pytest.mark.parametrize(
    ("policy", "members", "most", "expected"),
    [
        ("anti-affinity", {}, 1, None),
        ("anti-affinity", {"b": 1}, 1, None),
        ("anti-affinity", {"a": 1}, 1, APART),
        ("anti-affinity", {"a": 1}, 2, None),
        ("anti-affinity", {"a": 2}, 2, APART),
        ("affinity", {}, 1, None),
        ("affinity", {"a": 1}, 1, None),
        ("affinity", {"b": 1}, 1, TOGETHER),
        ("soft-affinity", {"b": 1}, 1, None),
        ("soft-anti-affinity", {"a": 5}, 1, None),
    ],
)
def test_groups(host, policy, members, most, expected):
    assert reason(in_group(policy, members, most), host) == expected


@pytest.mark.parametrize(
    ("hints", "neighbours", "expected"),
    [
        ({}, {}, None),
        ({"same_host": ("x",)}, {"same": ("a", "b")}, None),
        ({"same_host": ("x",)}, {"same": ("b",)}, "has none of the servers named in same_host"),
        ({"same_host": ("x",)}, {}, "has none of the servers named in same_host"),
        ({"different_host": ("x",)}, {"different": ("b",)}, None),
        ({"different_host": ("x",)}, {"different": ("a",)}, "has a server named in different_host"),
        ({"different_host": ("x",)}, {}, None),
        ({"near": "10.0.1.0/24"}, {}, None),
        ({"near": "10.0.2.0/24"}, {}, "is not in network 10.0.2.0/24"),
        ({"near": "fd00::/8"}, {}, "is not in network fd00::/8"),
    ],
)
def test_hints(host, hints, neighbours, expected):
    assert reason(request(hints=Hints(**hints), neighbours=Neighbours(**neighbours)), host) == expected


def test_a_host_that_told_no_address_is_near_to_nothing(host):
    silent = dataclasses.replace(host, facts=dataclasses.replace(host.facts, host_ip=""))

    assert reason(request(hints=Hints(near="0.0.0.0/0")), silent) == "is not in network 0.0.0.0/0"


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ('[">=", "$free_ram_mb", 1024]', True),
        ('[">", "$free_ram_mb", 65536]', False),
        ('["=", "$hypervisor_hostname", "a"]', True),
        ('["in", "$host", "b", "c"]', False),
        ('["and", ["<", "$num_instances", 1], ["<=", "$free_disk_mb", 1024000]]', True),
        ('["or", ["=", "$host", "b"], ["=", "$cpu_info.topology.cores", 8]]', True),
        ('["not", ["=", "$host", "a"]]', False),
        ('["not", ["=", "$host", "b"]]', True),
        ('["=", "$unknown", 1]', False),
        ('["<", "$unknown", 1]', False),
        ('["<", "$host", 1]', False),
        ('["=", "$cpu_info.model.deeper", "x"]', False),
        ('["and", true]', True),
        ('["or", "$unknown"]', False),
    ],
)
def test_queries(host, query, holds):
    assert reason(request(hints=Hints(query=query)), host) == (None if holds else "does not meet the hint query")


@pytest.mark.parametrize(
    ("specs", "expected"),
    [
        ({"trait:HW_CPU_X86_AVX2": "required"}, None),
        ({"trait:HW_CPU_X86_AVX512F": "required"}, "lacks trait HW_CPU_X86_AVX512F"),
        ({"trait1:HW_CPU_X86_AVX512F": "required"}, "lacks trait HW_CPU_X86_AVX512F"),
        ({"trait:CUSTOM_GPU": "forbidden"}, "has the forbidden trait CUSTOM_GPU"),
        ({"trait:CUSTOM_OTHER": "forbidden"}, None),
        ({"trait:CUSTOM_OTHER": "nonsense"}, None),
    ],
)
def test_traits_of_flavors_and_of_images(host, specs, expected):
    assert reason(request(extra_specs=specs), host) == expected
    assert reason(request(image_properties=specs), host) == expected


@pytest.mark.parametrize(
    ("specs", "expected"),
    [
        ({"resources:VCPU": "2"}, None),
        ({"resources:CUSTOM_GPU": "0"}, None),
        ({"resources:CUSTOM_GPU": "1"}, "offers no CUSTOM_GPU"),
        ({"resources_GPU:CUSTOM_GPU": "1"}, "offers no CUSTOM_GPU"),
        ({"resources:CUSTOM_GPU": "many"}, None),
    ],
)
def test_resource_classes_that_hosts_do_not_have(host, specs, expected):
    assert reason(request(extra_specs=specs), host) == expected


@pytest.mark.parametrize(
    ("key", "wanted", "passes"),
    [
        ("hypervisor_type", "QEMU", True),
        ("hypervisor_type", "s== KVM", False),
        ("hypervisor_version", ">= 7000000", True),
        ("hypervisor_version", "<= 7000000", False),
        ("cpu_info:topology:cores", ">= 8", True),
        ("cpu_info:topology:cores", "> 8", False),
        ("cpu_info:features", "<in> avx2", True),
        ("cpu_info:features", "<in> avx512f", False),
        ("cpu_info:features", "<all-in> aes avx2", True),
        ("cpu_info:features", "<all-in> aes avx512f", False),
        ("cpu_info:model", "<or> Haswell <or> Skylake", True),
        ("cpu_info:model", "<or> Broadwell <or> Skylake", False),
        ("vcpus_total", "= 64", True),
        ("vcpus_total", "== 63", False),
        ("vcpus_total", "!= 63", True),
        ("nothing:of:this", "1", False),
        ("hypervisor_type", ">= 5", False),
        ("hypervisor_hostname", "a", False),
    ],
)
def test_capabilities(host, key, wanted, passes):
    expected = None if passes else f"is not {key} {wanted}"

    assert reason(request(extra_specs={f"capabilities:{key}": wanted}), host) == expected


@pytest.mark.parametrize(
    ("specs", "passes"),
    [
        ({"aggregate_instance_extra_specs:ssd": "true"}, True),
        ({"aggregate_instance_extra_specs:ssd": "false"}, False),
        ({"aggregate_instance_extra_specs:rack": "2"}, True),
        ({"aggregate_instance_extra_specs:rack": ">= 3"}, False),
        ({"aggregate_instance_extra_specs:other": "1"}, False),
        ({"ssd": "true"}, True),
        ({"ssd": "false"}, False),
        ({"hypervisor_type": "QEMU"}, True),
        ({"hide_hypervisor_id": "true"}, True),
        ({"hw:cpu_policy": "shared", "quota:cpu_shares": "1"}, True),
    ],
)
def test_extra_specs_that_aggregates_answer(host, specs, passes):
    grouped = dataclasses.replace(host, aggregate_metadata=metadata(ssd="true", rack="1,2"))
    key, wanted = next(iter(specs.items()))
    expected = None if passes else f"is in no aggregate with {key.rpartition(':')[2]} {wanted}"

    assert reason(request(extra_specs=specs), grouped) == expected


def test_a_host_in_no_aggregate_has_none_of_their_metadata(host):
    asked = request(extra_specs={"aggregate_instance_extra_specs:ssd": "true"})

    assert reason(asked, host) == "is in no aggregate with ssd true"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, None),
        ({"filter_tenant_id": "p"}, None),
        ({"filter_tenant_id": "q,p"}, None),
        ({"filter_tenant_id": "q"}, "is kept for other projects"),
        ({"filter_tenant_id": "q", "filter_tenant_id2": "p"}, None),
        ({"hw_machine_type": "q35"}, None),
        ({"os_distro": "windows"}, "is not for images with os_distro debian"),
        ({"os_distro": "windows,debian"}, None),
        ({"instance_type": "m1.tiny"}, None),
        ({"instance_type": "m1.large"}, "is for other flavors"),
        ({"max_instances_per_host": "5"}, None),
        ({"max_instances_per_host": "4"}, "lacks places for servers"),
        ({"max_instances_per_host": "9,4"}, "lacks places for servers"),
        ({"max_instances_per_host": "some"}, None),
        ({"max_io_ops_per_host": "3"}, None),
        ({"max_io_ops_per_host": "2"}, "builds as much as it may"),
    ],
)
def test_what_aggregates_ask_of_servers(host, values, expected):
    grouped = dataclasses.replace(host, aggregate_metadata=metadata(**values), running=4, building=2)
    asked = request(image_properties={"os_distro": "debian"}, flavor_name="m1.tiny")

    assert reason(asked, grouped) == expected


def test_a_host_that_builds_as_much_as_it_may_is_worth_asking_again(host):
    grouped = dataclasses.replace(host, aggregate_metadata=metadata(max_io_ops_per_host="1"), building=1)

    assert pick(request(), [grouped]).passing


def test_every_filter_passes_what_asks_for_nothing(host):
    assert [rule.name for rule in FILTERS if rule.passes(request(), host) is not None] == []


def test_filters_have_names_of_their_own():
    assert len({rule.name for rule in FILTERS}) == len(FILTERS)


@pytest.mark.parametrize(
    ("policy", "members", "first"),
    [
        ("soft-affinity", {"full": 1}, "full"),
        ("soft-anti-affinity", {"empty": 2, "full": 1}, "full"),
        ("affinity", {}, "empty"),
    ],
)
def test_soft_policies_come_before_free_room(make_host, policy, members, first):
    full = dataclasses.replace(make_host("full"), used=Resources(vcpus=60, ram_mib=60000, disk_gib=900))

    assert pick(in_group(policy, members), [make_host("empty"), full]).hosts[0] == first


def test_more_free_disk_comes_first(make_host):
    hosts = [dataclasses.replace(make_host("a"), used=Resources(disk_gib=900)), make_host("b")]

    assert pick(request(), hosts).hosts == ("b", "a")


def test_of_hosts_that_are_alike_one_that_failed_comes_last(make_host):
    failed = dataclasses.replace(make_host("failed"), failed_in_row=1)

    assert pick(request(), [failed, make_host("worked")]).hosts == ("worked", "failed")


def test_a_host_that_failed_is_found_out_and_not_passed_over_in_silence(make_host):
    failed = dataclasses.replace(make_host("failed"), failed_in_row=1)
    full = dataclasses.replace(make_host("full"), used=Resources(vcpus=60, ram_mib=60000, disk_gib=900))

    assert pick(request(), [failed, full]).hosts == ("failed", "full")


def test_a_host_on_trial_is_not_pushed_back(make_host):
    tried = dataclasses.replace(make_host("tried"), failed_in_row=3)
    full = dataclasses.replace(make_host("full"), used=Resources(vcpus=60, ram_mib=60000, disk_gib=900))

    assert pick(request(), [tried, full]).hosts == (HostName("tried"), HostName("full"))


def test_a_host_in_maintenance_says_so_and_what_ends_it(host):
    drained = dataclasses.replace(host, enabled=False, disabled_reason="maintenance: its fan", maintenance_since=1.0)

    (refusal,) = pick(request(), [drained]).refusals

    assert (refusal.reason, refusal.detail) == ("is in maintenance", "maintenance: its fan")
    assert "nova-lite host undrain a" in refusal.remedy


def test_a_host_that_is_short_of_something_says_what(host):
    full = dataclasses.replace(host, facts=dataclasses.replace(host.facts, short_of="disk"))

    assert reason(request(), full) == "is short of disk"
    assert pick(request(), [full, dataclasses.replace(full, name=HostName("b"))]).sentence == "of 2 hosts 2 are short of disk"
