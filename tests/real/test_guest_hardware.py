"""What flavors and images ask for, on a real libvirt and QEMU: defined, started, and seen from inside a guest."""

from __future__ import annotations

import base64
import dataclasses
import os
import re
import xml.etree.ElementTree as ET

import libvirt
import pytest
from real.test_libvirt_driver import Hypervisor, libvirtd  # noqa: F401 - a fixture
from unit.compute.stage import interface, spec
from unit.compute.virt.driver_contract import ONE, TWO, go

from nova_lite.cli.guest_image import builder
from nova_lite.compute.virt.driver import VirtError
from nova_lite.compute.virt.libvirt import xml
from nova_lite.model.guest import PowerState
from nova_lite.model.hardware import host as host_hardware
from nova_lite.model.hardware import reading

pytestmark = pytest.mark.libvirt


@pytest.fixture(scope="module")
def blank(tmp_path_factory):
    path = tmp_path_factory.mktemp("image") / "blank.raw"
    path.write_bytes(b"\0" * 1024 * 1024)
    return path


@pytest.fixture
def hypervisor(libvirtd, blank):  # noqa: F811
    built = Hypervisor(libvirtd, blank)
    try:
        yield built
    finally:
        built.close()


def hardware(specs=None, properties=None, vcpus=2, ram_mib=128):
    return reading.read_sized(specs or {}, properties or {}, vcpus=vcpus, ram_mib=ram_mib)


def start(hypervisor, server_id=ONE, specs=None, properties=None, **changes):
    size = {"vcpus": 2, "ram_mib": 128}
    wanted = hardware(specs, properties, **size)
    given = {"config_drive": True, "interfaces": (interface(),), **size, **changes}
    assert hypervisor.driver.ensure_guest(hypervisor.spec(server_id, hardware=wanted, **given), go()) is PowerState.RUNNING
    return ET.fromstring(hypervisor.domain(server_id).XMLDesc())


def all_offered(hypervisor):
    return host_hardware.of_text(hypervisor.driver.facts().hardware)


def test_a_host_says_what_it_offers(hypervisor):
    facts = hypervisor.driver.facts()
    offered = all_offered(hypervisor)

    assert {"pc", "q35"} <= set(offered.machines)
    assert {"virtio", "scsi", "sata", "ide"} <= set(offered.disk_buses)
    assert {"vga", "virtio", "none"} <= set(offered.video_models)
    assert sum(len(node.cpus) for node in offered.nodes) == os.cpu_count()
    assert facts.total.pcpus == 0


def test_every_device_that_is_offered_starts(hypervisor):
    """One guest after the other, each with the next of every kind."""
    offered = all_offered(hypervisor)
    disks = [{"hw_disk_bus": bus} for bus in offered.disk_buses]
    disks += [{"hw_disk_bus": "scsi", "hw_scsi_model": model} for model in offered.scsi_models]
    others = {
        "hw_cdrom_bus": offered.cdrom_buses,
        "hw_vif_model": offered.nic_models,
        "hw_video_model": offered.video_models,
        "hw_input_bus": offered.input_buses,
        "hw_machine_type": ("pc", "q35"),
        "hw_watchdog_action": ("none", "pause", "poweroff", "reset"),
    }
    rounds = max(len(disks), *(len(words) for words in others.values()))
    for number in range(rounds):
        properties = {name: words[number % len(words)] for name, words in others.items()} | disks[number % len(disks)]

        made = start(hypervisor, properties=properties)
        hypervisor.driver.remove_guest(ONE)

        assert made.find("devices/watchdog").get("action") == properties["hw_watchdog_action"], properties
        assert made.find("devices/interface/model").get("type") == properties["hw_vif_model"]


@pytest.mark.parametrize(
    ("specs", "properties", "path", "expected"),
    [
        ({"hw:cpu_cores": "2"}, {}, "cpu/topology", {"sockets": "1", "cores": "2"}),
        ({"hw:boot_menu": "true"}, {}, "os/bootmenu", {"enable": "yes"}),
        ({"hw_rng:rate_bytes": "64", "hw_rng:rate_period": "1000"}, {}, "devices/rng/rate", {"bytes": "64", "period": "1000"}),
        ({}, {"img_hide_hypervisor_id": "true"}, "features/kvm/hidden", {"state": "on"}),
        ({}, {"os_type": "windows"}, "clock", {"offset": "localtime"}),
        ({"quota:vif_inbound_average": "1024"}, {}, "devices/interface/bandwidth/inbound", {"average": "1024"}),
        ({}, {"hw_vif_multiqueue_enabled": "true"}, "devices/interface/driver", {"queues": "2"}),
        ({"hw_video:ram_max_mb": "64"}, {"hw_video_ram": "32"}, "devices/video/model", {"vram": "32768"}),
        ({"quota:disk_total_iops_sec": "100"}, {}, "devices/disk/iotune", {}),
        ({"quota:cpu_shares": "512", "quota:cpu_quota": "50000", "quota:cpu_period": "100000"}, {}, "cputune", {}),
        ({"hw:numa_nodes": "1"}, {}, "numatune/memnode", {"nodeset": "0"}),
    ],
)
def test_what_is_asked_for_starts(hypervisor, specs, properties, path, expected):
    if any(name.startswith("quota:vif") for name in specs) and not all_offered(hypervisor).nic_limits:
        pytest.skip("this kernel cannot bound what taps carry")

    try:
        made = start(hypervisor, specs=specs, properties=properties)
    except VirtError as error:
        if "CPU tuning is not available" not in error.message:
            raise
        pytest.skip("libvirt cannot use this container's control groups")

    found = made.find(path)
    assert found is not None
    assert {name: found.get(name) for name in expected} == expected


def test_dedicated_cpus_are_pinned_and_given_to_one_guest_only(hypervisor):
    driver = hypervisor.driver
    place = dataclasses.replace(driver._parts.place, dedicated=(1, 4095))
    driver._parts = driver._making._parts = dataclasses.replace(driver._parts, place=place)
    specs = {"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "1"}

    total = hypervisor.driver.facts().total
    made = start(hypervisor, specs=specs, interfaces=())
    running = hypervisor.domain(ONE).vcpuPinInfo()
    with pytest.raises(VirtError) as refusal:
        start(hypervisor, TWO, specs=specs, interfaces=())
    hypervisor.driver.remove_guest(TWO)
    hypervisor.driver.remove_guest(ONE)
    again = start(hypervisor, TWO, specs=specs, interfaces=())

    assert (total.vcpus, total.pcpus) == (os.cpu_count() - 1, 1)
    assert made.find("cputune/vcpupin[@vcpu='1']").get("cpuset") == "1"
    assert [on for on, is_there in enumerate(running[1]) if is_there] == [1]
    assert running[0][1] is False
    assert (refusal.value.code, refusal.value.host_at_fault) == ("no_place", True)
    assert again.find("cputune/vcpupin[@vcpu='1']").get("cpuset") == "1"


@pytest.mark.parametrize(
    "specs",
    [
        {"hw:mem_page_size": "large"},
        {"hw:numa_nodes": "2"},
        {"hw:numa_nodes": "2", "hw:mem_page_size": "2MB"},
    ],
)
def test_what_this_machine_may_lack_is_at_least_understood_by_libvirt(libvirtd, tmp_path, specs):  # noqa: F811
    wanted = xml.Domain(
        spec=spec(vcpus=2, ram_mib=128, hardware=hardware(specs)),
        host="h1",
        kvm=False,
        disks=(),
        plugs=(),
        console_log=tmp_path / "console.log",
        nvram=tmp_path / "nvram.fd",
    )
    domain = libvirt.open(libvirtd.uri).defineXML(xml.domain_xml(wanted))
    try:
        made = ET.fromstring(domain.XMLDesc())
    finally:
        domain.undefine()

    if "hw:mem_page_size" in specs:
        assert made.find("memoryBacking/hugepages/page").get("size") == "2048"
    if "hw:numa_nodes" in specs:
        assert len(made.findall("cpu/numa/cell")) == 2


def test_uefi_starts_and_keeps_its_variables_beside_the_disks(hypervisor):
    if not all_offered(hypervisor).uefi_machines:
        pytest.skip("needs the package ovmf")
    start(hypervisor, properties={"hw_firmware_type": "uefi"})
    hypervisor.wait_for_console(ONE, "BdsDxe")
    variables = hypervisor.folder / f"disks/{ONE}/nvram.fd"
    made = variables.stat().st_ino
    hypervisor.driver.power_off(ONE, 0.0, go())
    hypervisor.domain(ONE).undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM)
    hypervisor.driver.power_on(ONE)
    kept = variables.stat().st_ino
    hypervisor.driver.remove_guest(ONE)

    assert kept == made
    assert not variables.exists()


E1000 = "nic=0x100e"  # by its PCI id, as the watchdog: the guest's kernel has no drivers for them
SAY = """#!/bin/sh
cd /sys
echo "SEEN cpus=$(nproc)"
echo "SEEN cores=$(cat devices/system/cpu/cpu*/topology/core_id | sort -u | wc -l)"
echo "SEEN packages=$(cat devices/system/cpu/cpu*/topology/physical_package_id | sort -u | wc -l)"
echo "SEEN disk=$(readlink -f block/sda/device/../../../driver | sed 's,.*/,,')"
echo "SEEN nic=$(for one in bus/pci/devices/*; do [ "$(cat $one/class)" = 0x020000 ] && cat $one/device; done)"
echo "SEEN rng=$(cat class/misc/hw_random/rng_current)"
echo "SEEN watchdog=$(grep -lx 0x25ab bus/pci/devices/*/device | wc -l)"
echo "SEEN all"
"""


def test_a_guest_sees_what_its_flavor_and_image_asked_for(libvirtd):  # noqa: F811
    hypervisor = Hypervisor(libvirtd, builder.ensure().disk)
    try:
        start(
            hypervisor,
            specs={"hw:cpu_cores": "2", "hw:watchdog_action": "reset", "hw_rng:rate_bytes": "65536"},
            properties={"hw_disk_bus": "scsi", "hw_vif_model": "e1000"},
            user_data=base64.b64encode(SAY.encode()).decode(),
        )
        hypervisor.wait_for_console(ONE, "SEEN all")
        seen = set(re.findall(r"^SEEN (\S+=\S*)", hypervisor.console(ONE), re.MULTILINE))
    finally:
        hypervisor.close()

    assert {"cpus=2", "cores=2", "packages=1"} <= seen, seen
    assert {"disk=virtio_scsi", E1000, "rng=virtio_rng.0"} <= seen, seen
    assert "watchdog=1" in seen
