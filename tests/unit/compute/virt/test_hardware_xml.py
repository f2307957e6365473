"""From what flavors and images ask for to domain XML: each wish and the fragment that it makes."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from unit.compute.stage import interface, spec

from nova_lite.compute.disks.root import Disk
from nova_lite.compute.pins import Pin, Placing
from nova_lite.compute.virt.libvirt import offered, seats, xml
from nova_lite.compute.virt.libvirt.element import cpu_set
from nova_lite.compute.virt.libvirt.processor_xml import Seat
from nova_lite.model.hardware import reading
from nova_lite.model.hardware.host import HostNode

ROOT = Disk(path=Path("/d/root.qcow2"), format="qcow2")
DRIVE = Disk(path=Path("/d/config.iso"), format="raw", is_cdrom=True)
NODES = (HostNode(id=0, cpus=(0, 1, 2, 3), ram_mib=4096), HostNode(id=1, cpus=(4, 5, 6, 7), ram_mib=4096))


def domain(specs=None, properties=None, seat=None, kvm=False, disks=(ROOT, DRIVE)):
    hardware = reading.read_sized(specs or {}, properties or {}, vcpus=4, ram_mib=256)
    wanted = xml.Domain(
        spec=spec(vcpus=4, ram_mib=256, hardware=hardware),
        host="h1",
        kvm=kvm,
        disks=disks,
        plugs=(xml.Plug(interface=interface(), tap="tap1"),),
        console_log=Path("/d/console.log"),
        nvram=Path("/d/nvram.fd"),
        seat=seat or Seat(),
    )
    return ET.fromstring(xml.domain_xml(wanted))


def fragment(made, path):
    """Write all elements of a path as text, without spaces between them."""
    return "".join(ET.tostring(one, encoding="unicode") for one in made.findall(path))


ABSENT = ""


@pytest.mark.parametrize(
    ("specs", "properties", "path", "expected"),
    [
        # without a wish
        ({}, {}, "cpu", '<cpu mode="maximum" check="none" />'),
        ({}, {}, "cputune", ABSENT),
        ({}, {}, "memoryBacking", ABSENT),
        ({}, {}, "devices/watchdog", ABSENT),
        ({}, {}, "devices/rng", '<rng model="virtio"><backend model="random">/dev/urandom</backend></rng>'),
        ({}, {}, "devices/disk/target", '<target dev="vda" bus="virtio" /><target dev="hdd" bus="ide" />'),
        ({}, {}, "devices/controller", '<controller type="usb" index="0" model="none" />'),
        # processor and memory
        ({"hw:cpu_cores": "2"}, {}, "cpu/topology", '<topology sockets="2" cores="2" threads="1" />'),
        ({}, {"hw_cpu_threads": "2"}, "cpu/topology", '<topology sockets="2" cores="1" threads="2" />'),
        (
            {"hw:numa_nodes": "2"},
            {},
            "cpu/numa/cell",
            '<cell id="0" cpus="0-1" memory="128" unit="MiB" /><cell id="1" cpus="2-3" memory="128" unit="MiB" />',
        ),
        ({"hw:mem_page_size": "large"}, {}, "memoryBacking", '<memoryBacking><hugepages><page size="2048" unit="KiB" /></hugepages></memoryBacking>'),
        ({"hw:mem_page_size": "small"}, {}, "memoryBacking", ABSENT),
        ({"quota:cpu_shares": "512"}, {}, "cputune", "<cputune><shares>512</shares></cputune>"),
        (
            {"quota:cpu_quota": "20000", "quota:cpu_period": "100000"},
            {},
            "cputune",
            "<cputune><period>100000</period><quota>20000</quota></cputune>",
        ),
        # machine, firmware, system
        ({"hw:machine_type": "q35"}, {}, "os/type", '<type arch="x86_64" machine="q35">hvm</type>'),
        ({}, {"hw_machine_type": "pc-q35-7.2"}, "devices/disk/target", '<target dev="vda" bus="virtio" /><target dev="sdf" bus="sata" />'),
        (
            {},
            {"hw_firmware_type": "uefi"},
            "os",
            '<os firmware="efi"><type arch="x86_64" machine="pc">hvm</type>'
            '<firmware><feature enabled="no" name="secure-boot" /></firmware><nvram>/d/nvram.fd</nvram><boot dev="hd" /></os>',
        ),
        ({}, {"hw_firmware_type": "bios"}, "os/nvram", ABSENT),
        ({"hw:boot_menu": "true"}, {}, "os/bootmenu", '<bootmenu enable="yes" />'),
        ({}, {"img_hide_hypervisor_id": "true"}, "features/kvm", '<kvm><hidden state="on" /></kvm>'),
        ({}, {"os_type": "linux"}, "features/hyperv", ABSENT),
        # disks
        ({}, {"hw_disk_bus": "sata"}, "devices/disk[@device='disk']/target", '<target dev="sda" bus="sata" />'),
        ({}, {"hw_disk_bus": "scsi"}, "devices/controller[@type='scsi']", '<controller type="scsi" index="0" model="virtio-scsi" />'),
        ({}, {"hw_disk_bus": "scsi", "hw_scsi_model": "lsilogic"}, "devices/controller[@type='scsi']", '<controller type="scsi" index="0" model="lsilogic" />'),
        ({}, {"hw_disk_bus": "usb"}, "devices/controller", '<controller type="usb" index="0" model="qemu-xhci" />'),
        ({}, {"hw_cdrom_bus": "scsi"}, "devices/disk[@device='cdrom']/target", '<target dev="sdg" bus="scsi" />'),
        (
            {"quota:disk_read_bytes_sec": "1024", "quota:disk_total_iops_sec": "10"},
            {},
            "devices/disk/iotune",
            "<iotune><read_bytes_sec>1024</read_bytes_sec><total_iops_sec>10</total_iops_sec></iotune>",
        ),
        # network
        ({}, {"hw_vif_model": "e1000"}, "devices/interface/model", '<model type="e1000" />'),
        ({}, {"hw_vif_multiqueue_enabled": "true"}, "devices/interface/driver", '<driver queues="4" />'),
        ({}, {"hw_vif_multiqueue_enabled": "true", "hw_vif_model": "e1000"}, "devices/interface/driver", ABSENT),
        (
            {"quota:vif_inbound_average": "100", "quota:vif_inbound_peak": "200", "quota:vif_outbound_average": "50"},
            {},
            "devices/interface/bandwidth",
            '<bandwidth><inbound average="100" peak="200" /><outbound average="50" /></bandwidth>',
        ),
        # other devices
        ({}, {"hw_video_model": "qxl"}, "devices/video/model", '<model type="qxl" vram="16384" heads="1" primary="yes" />'),
        ({}, {"hw_video_model": "virtio"}, "devices/video/model", '<model type="virtio" heads="1" primary="yes" />'),
        ({}, {"hw_video_model": "none"}, "devices/video/model", '<model type="none" />'),
        ({"hw_video:ram_max_mb": "64"}, {"hw_video_ram": "32"}, "devices/video/model", '<model type="vga" vram="32768" heads="1" primary="yes" />'),
        ({}, {"hw_input_bus": "usb"}, "devices/input", '<input type="tablet" bus="usb" />'),
        ({}, {"hw_input_bus": "usb"}, "devices/controller", '<controller type="usb" index="0" model="qemu-xhci" />'),
        ({"hw_rng:allowed": "false"}, {"hw_rng_model": "virtio"}, "devices/rng", ABSENT),
        ({"hw_rng:rate_bytes": "64", "hw_rng:rate_period": "1000"}, {}, "devices/rng/rate", '<rate bytes="64" period="1000" />'),
        ({"hw:watchdog_action": "reset"}, {}, "devices/watchdog", '<watchdog model="i6300esb" action="reset" />'),
        ({}, {"hw_qemu_guest_agent": "no"}, "devices/channel", ABSENT),
    ],
)  # fmt: skip
def test_a_wish_makes_its_fragment(specs, properties, path, expected):
    assert fragment(domain(specs, properties), path) == expected


def test_disks_leave_the_drives_place_free():
    made = domain(properties={"hw_disk_bus": "sata", "hw_cdrom_bus": "sata"}, disks=(*[ROOT] * 6, DRIVE))

    names = [target.get("dev") for target in made.findall("devices/disk/target")]

    assert names == ["sda", "sdb", "sdc", "sdd", "sde", "sdg", "sdf"]


def test_windows_gets_its_clock_and_under_kvm_what_it_knows_of_hypervisors():
    made, emulated = (domain(properties={"os_type": "windows"}, kvm=kvm) for kvm in (True, False))

    assert made.find("clock").get("offset") == emulated.find("clock").get("offset") == "localtime"
    assert fragment(made, "features/hyperv/relaxed") == '<relaxed state="on" />'
    assert made.find("clock/timer[@name='hypervclock']").get("present") == "yes"
    assert emulated.find("features/hyperv") is None


def test_a_shared_guest_stays_off_the_processors_that_are_kept_for_others():
    made = domain(seat=Seat(shared=(0, 1, 4)))

    assert made.find("vcpu").get("cpuset") == "0-1,4"
    assert made.find("cputune") is None


def test_dedicated_cpus_are_pinned_and_the_emulator_runs_beside_them():
    placing = Placing(pins=tuple(Pin(vcpu=number, pcpu=number + 4) for number in range(4)))
    made = domain({"hw:cpu_policy": "dedicated", "quota:cpu_shares": "9"}, seat=Seat(placing=placing, shared=(0, 1)))

    assert [(pin.get("vcpu"), pin.get("cpuset")) for pin in made.findall("cputune/vcpupin")] == [
        *(("0", "4"), ("1", "5"), ("2", "6"), ("3", "7"))
    ]
    assert made.find("cputune/emulatorpin").get("cpuset") == "0-1"
    assert made.findtext("cputune/shares") == "9"


def test_of_a_mixed_guest_only_some_are_pinned():
    specs = {"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "3"}
    made = domain(specs, seat=Seat(placing=Placing(pins=(Pin(vcpu=3, pcpu=7),)), shared=(0, 1)))

    assert fragment(made, "cputune/vcpupin") == '<vcpupin vcpu="3" cpuset="7" />'
    assert made.find("vcpu").get("cpuset") == "0-1"


def test_numa_nodes_of_the_guest_lie_on_those_of_the_host():
    made = domain({"hw:numa_nodes": "2"}, seat=Seat(placing=Placing(nodes=(1, 0)), nodes=NODES))

    assert fragment(made, "numatune") == (
        '<numatune><memory mode="strict" nodeset="0-1" /><memnode cellid="0" mode="strict" nodeset="1" />'
        '<memnode cellid="1" mode="strict" nodeset="0" /></numatune>'
    )
    assert [pin.get("cpuset") for pin in made.findall("cputune/vcpupin")] == ["4-7", "4-7", "0-3", "0-3"]


@pytest.mark.parametrize(("numbers", "text"), [((), ""), ((3,), "3"), ((0, 1, 2, 5, 7, 8), "0-2,5,7-8")])
def test_sets_of_processors_are_written_short(numbers, text):
    assert cpu_set(numbers) == text


@pytest.mark.parametrize(
    ("text", "expected"), [("2-4,7\n", (2, 3, 4, 7)), ("\n", ()), ("", ()), ("(null)\n", ()), ("5\n", (5,))]
)
def test_the_kernels_isolated_processors_are_read(text, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(seats, "ISOLATED", tmp_path / "isolated")
    assert seats.isolated() == ()

    (tmp_path / "isolated").write_text(text)

    assert seats.isolated() == expected


CAPABILITIES = """<capabilities><host><topology><cells num='2'>
  <cell id='0'><memory unit='KiB'>4194304</memory><pages unit='KiB' size='4'>9</pages><pages unit='KiB' size='2048'>512</pages>
    <pages unit='KiB' size='1048576'>1</pages><cpus num='2'><cpu id='1'/><cpu id='0'/></cpus></cell>
  <cell id='1'><memory unit='KiB'>2097152</memory><pages unit='KiB' size='2048'>8</pages><cpus num='1'><cpu id='2'/></cpus></cell>
</cells></topology></host>
<guest><arch name='i686'><machine>pc-old</machine></arch></guest>
<guest><arch name='x86_64'><machine maxCpus='255'>pc-i440fx-7.2</machine><machine canonical='pc-i440fx-7.2'>pc</machine>
  <machine>microvm</machine><domain type='kvm'><machine>q35</machine><machine>pc-q35-7.2</machine></domain></arch></guest>
</capabilities>"""


SMALLER = "none /dev/hugepages hugetlbfs rw,relatime,pagesize=2M 0 0\n"
LARGER = "none /dev/pages1g hugetlbfs rw,pagesize=1024M 0 0\n"


def test_a_hosts_nodes_pages_and_machines_are_read():
    capabilities = ET.fromstring(CAPABILITIES)

    assert offered.nodes(capabilities) == (
        HostNode(id=0, cpus=(0, 1), ram_mib=4096),
        HostNode(id=1, cpus=(2,), ram_mib=2048),
    )
    assert offered.huge_pages(capabilities, SMALLER + LARGER) == (520, 1)
    assert offered.huge_pages(capabilities, SMALLER) == (520, 0)
    assert offered.huge_pages(capabilities, "none /dev/hugepages hugetlbfs rw 0 0\n") == (520, 0)
    assert offered.huge_pages(capabilities, "proc /proc proc rw 0 0\n") == (0, 0)
    assert offered.machines(capabilities) == ("pc", "pc-i440fx-7.2", "pc-q35-7.2", "q35")


def test_the_controller_of_processor_time_is_found(tmp_path):
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io\n")

    assert offered.has_cpu_controller("cgroup /sys/fs/cgroup/cpu cgroup rw,cpu,cpuacct 0 0\n")
    assert offered.has_cpu_controller(f"none {tmp_path} cgroup2 rw 0 0\n")
    assert not offered.has_cpu_controller(
        "cgroup /x cgroup rw,cpuset 0 0\nnone /nowhere cgroup2 rw 0 0\nproc /proc proc rw 0 0"
    )
