"""What a guest is built of against what hosts offer: the reason in words, or None where the host passes."""

from __future__ import annotations

import dataclasses

import pytest

from nova_lite.model.hardware import host as host_hardware
from nova_lite.model.hardware.guest import PLAIN, Bandwidth, CpuTune, NumaCell
from nova_lite.model.hardware.host import HostHardware, HostNode
from nova_lite.model.placement import Effort, PlacementRequest
from nova_lite.model.resources import Resources
from nova_lite.scheduler.pick import pick

OFFERED = HostHardware(
    machines=("pc", "q35"),
    uefi_machines=("q35",),
    disk_buses=("virtio", "ide", "sata", "scsi"),
    cdrom_buses=("ide", "sata"),
    scsi_models=("virtio-scsi",),
    nic_models=("virtio", "e1000"),
    video_models=("vga", "none"),
    input_buses=("virtio", "usb"),
    rng_models=("virtio",),
    watchdog=True,
    cpu_limits=True,
    nic_limits=True,
    nodes=(HostNode(id=0, cpus=(0, 1, 2, 3), ram_mib=4096), HostNode(id=1, cpus=(4, 5), ram_mib=8192)),
)


def cells(*sizes):
    first, made = 0, []
    for cpus, ram_mib in sizes:
        made.append(NumaCell(cpus=tuple(range(first, first + cpus)), ram_mib=ram_mib))
        first += cpus
    return tuple(made)


def request(asked=None, **hardware):
    return PlacementRequest(
        server_id="s", project_id="p", asked=asked or Resources(vcpus=1), hardware=dataclasses.replace(PLAIN, **hardware)
    )


@pytest.fixture
def host(make_host):
    def make(offered=OFFERED, traits=(), **amounts):
        plain = make_host("a")
        facts = dataclasses.replace(plain.facts, hardware=host_hardware.to_text(offered) if offered else "", traits=traits)
        return dataclasses.replace(plain, facts=facts, limit=dataclasses.replace(plain.limit, **amounts))

    return make


def refusal(asked, one):
    """Give what falls out first, as the choice does."""
    found = pick(asked, [one]).refusals
    return found[0] if found else None


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({}, None),
        ({"machine": "q35"}, None),
        ({"machine": "pc-q35-99.0"}, "offers no machine type pc-q35-99.0"),
        ({"firmware": "bios"}, None),
        ({"firmware": "uefi"}, "offers no UEFI firmware for pc machines"),
        ({"firmware": "uefi", "machine": "q35"}, None),
        ({"disk_bus": "scsi", "scsi_model": "virtio-scsi"}, None),
        ({"disk_bus": "xen"}, "offers no disk bus xen"),
        ({"scsi_model": "vmpvscsi"}, "offers no SCSI controller vmpvscsi"),
        ({"cdrom_bus": "virtio"}, "offers no CD-ROM bus virtio"),
        ({"nic_model": "e1000"}, None),
        ({"nic_model": "vmxnet3"}, "offers no network card vmxnet3"),
        ({"video_model": "none"}, None),
        ({"video_model": "gop"}, "offers no video model gop"),
        ({"input_bus": "usb"}, None),
        ({"rng_model": "virtio"}, None),
        ({"watchdog": "reset"}, None),
        ({"cpu_tune": CpuTune(shares=512)}, None),
        ({"nic_in": Bandwidth(average=5)}, None),
        ({"page_kib": 4}, None),
        ({"page_kib": 64}, "offers no pages of 64 KiB"),
        ({"thread_policy": "require"}, "offers no hardware threads"),
        ({"thread_policy": "isolate"}, None),
        ({"cells": cells((2, 1024))}, None),
        ({"cells": cells((2, 1024), (2, 1024))}, None),
        ({"cells": cells((2, 1024), (2, 1024), (2, 1024))}, "lacks NUMA nodes"),
        ({"cells": cells((2, 1024), (2, 16384))}, "has too small NUMA nodes"),
        ({"cells": cells((4, 4096), (4, 4096))}, "has too small NUMA nodes"),
    ],
)
def test_what_is_asked_is_held_against_what_is_offered(host, wish, reason):
    found = refusal(request(**wish), host())

    assert (found.reason if found else None) == reason
    assert found is None or (found.effort is Effort.CHANGE and found.remedy.startswith("add a host"))


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"watchdog": "reset"}, "offers no watchdog"),
        ({"cpu_tune": CpuTune(quota_us=5000)}, "offers no bounds of processor time"),
        ({"nic_out": Bandwidth(average=5)}, "offers no bounds of network cards"),
        ({"machine": "pc"}, "offers no machine type pc"),
        ({"cells": cells((1, 64))}, "lacks NUMA nodes"),
        ({"boot_menu": True}, None),
    ],
)
def test_a_host_that_offers_nothing_is_refused_what_needs_something(host, wish, reason):
    found = refusal(request(**wish), host(HostHardware()))

    assert (found.reason if found else None) == reason


def test_threads_of_cores_are_wanted_or_not(host):
    with_threads = host(traits=("HW_CPU_HYPERTHREADING",))

    assert refusal(request(thread_policy="require"), with_threads) is None
    assert refusal(request(thread_policy="isolate"), with_threads).reason == "offers no cores without hardware threads"


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({}, None),
        ({"machine": "q35", "disk_bus": "sata", "nic_model": "rtl8139", "os_type": "linux", "rng_model": "virtio"}, None),
        ({"disk_bus": "scsi"}, "offers no disk bus scsi"),
        ({"firmware": "uefi"}, "has not said what guests can be built of there"),
        ({"rng": None}, "has not said what guests can be built of there"),
    ],
)
def test_a_host_of_an_earlier_release_gets_what_that_could_build(host, wish, reason):
    found = refusal(request(**wish), host(None))

    assert (found.reason if found else None) == reason


@pytest.mark.parametrize(
    ("asked", "has", "used", "reason", "said"),
    [
        (Resources(pcpus=2), {"pcpus": 2}, Resources(), None, None),
        (Resources(pcpus=2), {"pcpus": 2}, Resources(pcpus=1), "lacks dedicated CPUs", "lacks dedicated CPUs (2 asked, 1 free at most)"),
        (Resources(pcpus=1), {}, Resources(), "lacks dedicated CPUs", "(1 asked, 0 free at most)"),
        (Resources(pages_2m=64), {"pages_2m": 64}, Resources(), None, None),
        (Resources(pages_2m=64), {"pages_2m": 64}, Resources(pages_2m=1), "lacks pages of 2 MiB", "(64 asked, 63 free at most)"),
        (Resources(pages_1g=1), {"pages_2m": 9999}, Resources(), "lacks pages of 1 GiB", "(1 asked, 0 free at most)"),
    ],
)  # fmt: skip
def test_dedicated_cpus_and_huge_pages_are_counted(host, asked, has, used, reason, said):
    one = dataclasses.replace(host(**has), used=used)
    ranking = pick(request(asked), [one])

    assert (ranking.refusals[0].reason if ranking.refusals else None) == reason
    assert said is None or said in ranking.sentence


def test_a_full_host_still_gives_what_of_nothing_is_asked(host):
    over = dataclasses.replace(host(pcpus=2, pages_2m=64), used=Resources(vcpus=99, ram_mib=99999))

    assert refusal(request(Resources(pcpus=2, pages_2m=64)), over) is None
