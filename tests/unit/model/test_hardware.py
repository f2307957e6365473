"""What flavors and images ask for, as it is understood, and what is refused before a server is made."""

from __future__ import annotations

import dataclasses

import pytest

from nova_lite import errors
from nova_lite.model.flavor import Flavor
from nova_lite.model.hardware import host as host_hardware
from nova_lite.model.hardware import reading
from nova_lite.model.hardware.guest import (
    PLAIN,
    Bandwidth,
    CpuTopology,
    CpuTune,
    DiskTune,
    GuestHardware,
    NumaCell,
    Rng,
)
from nova_lite.model.resources import Resources


def flavor(vcpus=4, ram_mib=4096, specs=None):
    return Flavor(id="1", name="f", vcpus=vcpus, ram_mib=ram_mib, disk_gib=1, extra_specs=specs or {})


def read(specs=None, properties=None, **size):
    return reading.read(flavor(specs=specs or {}, **size), properties or {})


def changed(hardware):
    """Give only what differs from a guest without wishes."""
    return {name: value for name, value in vars(hardware).items() if value != getattr(PLAIN, name)}


CELLS = (NumaCell(cpus=(0, 1), ram_mib=2048), NumaCell(cpus=(2, 3), ram_mib=2048))
UNEVEN = (NumaCell(cpus=(0, 1, 2), ram_mib=3072), NumaCell(cpus=(3,), ram_mib=1024))
OF_UNEVEN = {
    "hw:numa_nodes": "2",
    "hw:numa_cpus.0": "0-2",
    "hw:numa_mem.0": "3072",
    "hw:numa_cpus.1": "3",
    "hw:numa_mem.1": "1024",
}


@pytest.mark.parametrize(
    ("specs", "properties", "expected"),
    [
        ({}, {}, {}),
        ({"trait:X": "required", "anything": "free"}, {"description": "an image", "os_distro": "debian"}, {}),
        # topology
        ({"hw:cpu_sockets": "2"}, {}, {"topology": CpuTopology(sockets=2, cores=2, threads=1)}),
        ({"hw:cpu_cores": "4"}, {}, {"topology": CpuTopology(sockets=1, cores=4, threads=1)}),
        ({"hw:cpu_threads": "2"}, {}, {"topology": CpuTopology(sockets=2, cores=1, threads=2)}),
        ({"hw:cpu_max_sockets": "1"}, {}, {"topology": CpuTopology(sockets=1, cores=4, threads=1)}),
        ({"hw:cpu_max_sockets": "1", "hw:cpu_max_cores": "2"}, {}, {"topology": CpuTopology(sockets=1, cores=2, threads=2)}),
        ({"hw:cpu_sockets": "4"}, {"hw_cpu_cores": "4"}, {"topology": CpuTopology(sockets=1, cores=4, threads=1)}),
        ({"hw:cpu_max_cores": "4"}, {"hw_cpu_max_cores": "1"}, {"topology": CpuTopology(sockets=4, cores=1, threads=1)}),
        ({"hw:cpu_sockets": "3"}, {}, {"topology": CpuTopology(sockets=4, cores=1, threads=1)}),
        # dedicated CPUs
        ({"hw:cpu_policy": "dedicated"}, {}, {"dedicated": (0, 1, 2, 3)}),
        ({}, {"hw_cpu_policy": "dedicated"}, {"dedicated": (0, 1, 2, 3)}),
        ({"hw:cpu_policy": "dedicated"}, {"hw_cpu_policy": "shared"}, {"dedicated": (0, 1, 2, 3)}),
        ({"hw:cpu_policy": "shared"}, {"hw_cpu_policy": "shared"}, {}),
        ({"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "^0"}, {}, {"dedicated": (1, 2, 3)}),
        ({"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "0-2,^1"}, {}, {"dedicated": (0, 2)}),
        (
            {"hw:cpu_policy": "dedicated", "hw:cpu_thread_policy": "prefer"},
            {"hw_cpu_thread_policy": "isolate"},
            {"dedicated": (0, 1, 2, 3), "thread_policy": "isolate"},
        ),
        # NUMA nodes
        ({"hw:numa_nodes": "2"}, {}, {"cells": CELLS}),
        ({}, {"hw_numa_nodes": "2"}, {"cells": CELLS}),
        (OF_UNEVEN, {}, {"cells": UNEVEN}),
        # pages
        ({"hw:mem_page_size": "large"}, {}, {"page_kib": 2048}),
        ({"hw:mem_page_size": "small"}, {}, {"page_kib": 4}),
        ({"hw:mem_page_size": "any"}, {}, {}),
        ({"hw:mem_page_size": "any"}, {"hw_mem_page_size": "2MB"}, {"page_kib": 2048}),
        ({"hw:mem_page_size": "large"}, {"hw_mem_page_size": "1048576"}, {"page_kib": 1048576}),
        ({"hw:mem_page_size": "large"}, {"hw_mem_page_size": "any"}, {"page_kib": 2048}),
        ({"hw:mem_page_size": "1GB"}, {"hw_mem_page_size": "1048576"}, {"page_kib": 1048576}),
        # devices
        ({"hw:machine_type": "q35"}, {}, {"machine": "q35"}),
        ({"hw:machine_type": "q35"}, {"hw_machine_type": "q35"}, {"machine": "q35"}),
        ({}, {"hw_firmware_type": "uefi"}, {"firmware": "uefi"}),
        ({"hw:boot_menu": "true"}, {}, {"boot_menu": True}),
        ({"hw:boot_menu": "true"}, {"hw_boot_menu": "no"}, {}),
        ({}, {"img_hide_hypervisor_id": "true"}, {"hides_hypervisor": True}),
        ({"hw:hide_hypervisor_id": "yes"}, {"img_hide_hypervisor_id": "false"}, {"hides_hypervisor": True}),
        ({}, {"os_type": "Windows"}, {"os_type": "windows"}),
        ({}, {"hw_disk_bus": "scsi", "hw_scsi_model": "virtio-scsi"}, {"disk_bus": "scsi", "scsi_model": "virtio-scsi"}),
        ({}, {"hw_scsi_model": "auto", "hw_cdrom_bus": "sata"}, {"cdrom_bus": "sata"}),
        ({}, {"hw_vif_model": "e1000", "hw_vif_multiqueue_enabled": "true"}, {"nic_model": "e1000", "nic_queues": 4}),
        ({"hw:vif_multiqueue_enabled": "yes"}, {"hw_vif_multiqueue_enabled": "true"}, {"nic_queues": 4}),
        ({}, {"hw_video_model": "qxl", "hw_input_bus": "usb"}, {"video_model": "qxl", "input_bus": "usb"}),
        ({"hw_video:ram_max_mb": "64"}, {"hw_video_ram": "32"}, {"video_ram_mib": 32}),
        ({"hw_video:ram_max_mb": "64"}, {}, {}),
        ({"hw_rng:allowed": "True", "hw_rng:rate_bytes": "100"}, {"hw_rng_model": "virtio"}, {"rng_model": "virtio", "rng": Rng(bytes=100)}),
        ({"hw_rng:rate_bytes": "9", "hw_rng:rate_period": "7"}, {}, {"rng": Rng(bytes=9, period_ms=7)}),
        ({"hw_rng:allowed": "False", "hw_rng:rate_bytes": "100"}, {}, {"rng": None}),
        ({"hw:watchdog_action": "reset"}, {}, {"watchdog": "reset"}),
        ({"hw:watchdog_action": "reset"}, {"hw_watchdog_action": "disabled"}, {}),
        ({"hw:watchdog_action": "disabled"}, {"hw_watchdog_action": "none"}, {"watchdog": "none"}),
        ({}, {"hw_qemu_guest_agent": "no", "os_require_quiesce": "yes"}, {"guest_agent": False, "quiesce": True}),
        # bounds
        ({"quota:cpu_shares": "512", "quota:cpu_quota": "-1"}, {}, {"cpu_tune": CpuTune(shares=512, quota_us=-1)}),
        ({"quota:cpu_quota": "0", "quota:cpu_period": "1000"}, {}, {"cpu_tune": CpuTune(period_us=1000)}),
        ({"quota:disk_total_bytes_sec": "9", "quota:disk_read_iops_sec": "8"}, {}, {"disk_tune": DiskTune(total_bytes_sec=9, read_iops_sec=8)}),
        ({"quota:disk_write_bytes_sec": "0"}, {}, {}),
        ({"quota:vif_inbound_average": "10", "quota:vif_inbound_peak": "20"}, {}, {"nic_in": Bandwidth(average=10, peak=20)}),
        ({"quota:vif_outbound_average": "10", "quota:vif_outbound_burst": "5"}, {}, {"nic_out": Bandwidth(average=10, burst=5)}),
        ({"hw:mem_encryption": "false", "os:secure_boot": "optional"}, {"hw_mem_encryption": "no"}, {}),
    ],
)  # fmt: skip
def test_flavor_and_image_are_understood(specs, properties, expected):
    assert changed(read(specs, properties)) == expected


@pytest.mark.parametrize(
    ("specs", "properties", "words"),
    [
        # contradictions of image and flavor
        ({"hw:cpu_policy": "shared"}, {"hw_cpu_policy": "dedicated"}, "not permitted to override the flavor's hw:cpu_policy"),
        ({"hw:cpu_policy": "shared"}, {"hw_cpu_policy": "mixed"}, "not permitted to override"),
        ({"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "0"}, {"hw_cpu_policy": "dedicated"}, "not permitted to override"),
        (
            {"hw:cpu_policy": "dedicated", "hw:cpu_thread_policy": "require"},
            {"hw_cpu_thread_policy": "isolate"},
            "not permitted to override the flavor's require",
        ),
        ({}, {"hw_mem_page_size": "large"}, "the flavor says nothing of pages"),
        ({"hw:mem_page_size": "large"}, {"hw_mem_page_size": "small"}, "the flavor demands large"),
        ({"hw:mem_page_size": "1GB"}, {"hw_mem_page_size": "2MB"}, "the flavor demands 1GB"),
        ({"hw:numa_nodes": "2"}, {"hw_numa_nodes": "2"}, "hw_numa_nodes is not permitted"),
        ({"hw:machine_type": "q35"}, {"hw_machine_type": "pc"}, "contradict each other: hw:machine_type is 'q35'"),
        ({"hw:vif_multiqueue_enabled": "no"}, {"hw_vif_multiqueue_enabled": "yes"}, "contradict each other"),
        ({"hw:cpu_max_cores": "2"}, {"hw_cpu_max_cores": "4"}, "is 4, the flavor allows 2"),
        ({"hw:cpu_max_cores": "2"}, {"hw_cpu_cores": "4"}, "4 cores are asked for, at most 2 are allowed"),
        ({"hw_video:ram_max_mb": "16"}, {"hw_video_ram": "32"}, "the flavor allows 16 MiB"),
        ({}, {"hw_video_ram": "1"}, "the flavor allows 0 MiB"),
        # what cannot be
        ({"hw:cpu_max_sockets": "1", "hw:cpu_max_cores": "1", "hw:cpu_max_threads": "2"}, {}, "make 4 vCPUs within 1 sockets"),
        ({"hw:cpu_policy": "mixed"}, {}, "needs the flavor's hw:cpu_dedicated_mask"),
        ({"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "0-3"}, {}, "some shared"),
        ({"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "7"}, {}, "there are 4 CPUs"),
        ({"hw:cpu_dedicated_mask": "0"}, {}, "needs hw:cpu_policy=mixed"),
        ({"hw:cpu_thread_policy": "require"}, {}, "needs dedicated CPUs"),
        ({"hw:numa_nodes": "3"}, {}, "do not divide evenly among 3"),
        ({**OF_UNEVEN, "hw:numa_mem.1": "1"}, {}, "4096 MiB of memory together"),
        ({**OF_UNEVEN, "hw:numa_cpus.1": "2,3"}, {}, "each of the 4 vCPUs once"),
        ({**OF_UNEVEN, "hw:numa_cpus.1": ""}, {}, "for each of 2 NUMA nodes"),
        ({**OF_UNEVEN, "hw:numa_mem.2": "5"}, {}, "and for no other"),
        ({"hw:mem_page_size": "3000"}, {}, "no whole number of 3000 KiB pages"),
        ({"quota:disk_total_bytes_sec": "1", "quota:disk_read_bytes_sec": "1"}, {}, "only one of the two"),
        ({"quota:vif_inbound_peak": "1"}, {}, "quota:vif_inbound_average is needed"),
        # values that mean nothing
        ({"hw:cpu_policy": "banana"}, {}, "hw:cpu_policy has the invalid value 'banana'"),
        ({"hw:cpu_sockets": "0"}, {}, "a number from 1"),
        ({"hw:numa_nodes": "many"}, {}, "a number from 1"),
        ({"hw:mem_page_size": "gross"}, {}, "small, large, any"),
        ({"hw:mem_page_size": "0"}, {}, "small, large, any"),
        ({"hw:machine_type": "<q35/>"}, {}, "name of a machine type"),
        ({"quota:cpu_period": "5"}, {}, "from 1000 to 1000000"),
        ({"quota:cpu_quota": "5"}, {}, "from 1000"),
        ({"quota:cpu_shares": "1"}, {}, "from 2 to 262144"),
        ({"hw_rng:allowed": "perhaps"}, {}, "true or false"),
        ({}, {"hw_disk_bus": "x"}, "hw_disk_bus has the invalid value 'x'"),
        ({}, {"hw_firmware_type": "coreboot"}, "one of bios, uefi"),
        ({}, {"hw_watchdog_action": "bark"}, "one of none, pause"),
        ({}, {"hw_vif_multiqueue_enabled": "y" * 9999}, "true or false"),
        # what nobody gets here
        ({"hw:mem_encryption": "True"}, {}, "Encrypted memory is not offered"),
        ({}, {"hw_mem_encryption": "true"}, "Encrypted memory is not offered"),
        ({"hw:tpm_version": "2.0"}, {}, "A TPM is not offered"),
        ({"os:secure_boot": "required"}, {}, "Secure boot is not offered"),
        ({"pci_passthrough:alias": "gpu:1"}, {}, "Passing PCI devices through is not offered"),
        ({"hw:cpu_realtime": "yes"}, {}, "Realtime processors are not offered"),
        ({"hw:emulator_threads_policy": "isolate"}, {}, "Processors of the emulator's own"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(specs, properties, words):
    with pytest.raises(errors.BadRequest) as refusal:
        read(specs, properties)

    assert words in refusal.value.message
    assert len(refusal.value.message) < 300
    assert reading.understood(flavor(specs=specs), properties) == PLAIN


def test_a_flavor_of_absurd_size_is_refused_at_once():
    for specs in ({"hw:cpu_cores": "2"}, {"hw:cpu_policy": "dedicated"}, {"hw:numa_nodes": "1"}):
        with pytest.raises(errors.BadRequest):
            read(specs, vcpus=2**31 - 1)


@pytest.mark.parametrize(
    ("specs", "expected"),
    [
        ({}, Resources(vcpus=4, ram_mib=4096, disk_gib=1)),
        ({"hw:cpu_policy": "dedicated"}, Resources(pcpus=4, ram_mib=4096, disk_gib=1)),
        ({"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "1"}, Resources(vcpus=3, pcpus=1, ram_mib=4096, disk_gib=1)),
        ({"hw:mem_page_size": "large"}, Resources(vcpus=4, pages_2m=2048, disk_gib=1)),
        ({"hw:mem_page_size": "1GB"}, Resources(vcpus=4, pages_1g=4, disk_gib=1)),
        ({"hw:mem_page_size": "small"}, Resources(vcpus=4, ram_mib=4096, disk_gib=1)),
        ({"hw:mem_page_size": "large", "resources:MEMORY_MB": "0"}, Resources(vcpus=4, pages_2m=2048, disk_gib=1)),
        ({"hw:cpu_policy": "dedicated", "resources:VCPU": "0"}, Resources(pcpus=4, ram_mib=4096, disk_gib=1)),
        ({"hw:cpu_policy": "nonsense"}, Resources(vcpus=4, ram_mib=4096, disk_gib=1)),
    ],
)
def test_dedicated_cpus_and_huge_pages_are_used_instead_of_shared_ones(specs, expected):
    assert reading.needs(flavor(specs=specs), {}) == expected


def test_a_guest_ordered_by_an_earlier_release_has_what_that_knew():
    known = reading.before({"hw_machine_type": "q35", "hw_disk_bus": "sata", "hw_vif_model": "e1000", "hw_video_model": "qxl"})

    assert known == GuestHardware(machine="q35", disk_bus="sata", nic_model="e1000")
    assert reading.before({"hw_machine_type": "toaster", "hw_disk_bus": "x", "hw_vif_model": "y"}) == PLAIN


def test_a_hosts_hardware_travels_as_one_text():
    hardware = host_hardware.HostHardware(machines=("pc",), nodes=(host_hardware.HostNode(id=0, cpus=(0, 1), ram_mib=5),))

    assert host_hardware.of_text(host_hardware.to_text(hardware)) == hardware
    assert host_hardware.of_text("") is host_hardware.of_text("{half") is None


def test_amounts_add_up_and_fit():
    used, limit = Resources(vcpus=3, pcpus=2), Resources(vcpus=2, pcpus=2, pages_2m=5)

    assert used.plus(limit) == Resources(vcpus=5, pcpus=4, pages_2m=5)
    assert used.less(limit) == Resources(vcpus=1)
    assert Resources(pages_2m=5).fits(used, limit)
    assert not Resources(pcpus=1).fits(used, limit)
    assert dataclasses.replace(used, pcpus=0).fits(Resources(), Resources(vcpus=3))
