"""What of the libvirt driver needs no libvirt: its XML, its console logs, its probe."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from unit.compute.stage import SERVER, interface, spec

from nova_lite.compute.disks.root import Disk
from nova_lite.compute.virt.libvirt import console, probe, xml

ROOT = Disk(path=Path("/d/root.qcow2"), format="qcow2", base=Path("/i/base.raw"), base_format="raw")
DRIVE = Disk(path=Path("/d/config.iso"), format="raw", is_cdrom=True)


def domain(kvm=False, disks=(ROOT, DRIVE), **changes):
    wanted = xml.Domain(
        spec=spec(vcpus=2, ram_mib=256, **changes),
        host="h1",
        kvm=kvm,
        disks=disks,
        plugs=(xml.Plug(interface=interface(), tap="tap1"),),
        console_log=Path("/d/console.log"),
        nvram=Path("/d/nvram.fd"),
    )
    return ET.fromstring(xml.domain_xml(wanted))


def test_a_domain_is_the_server_it_stands_for():
    made = domain()

    assert made.findtext("uuid") == SERVER
    assert made.findtext("name") == f"nova-lite-{SERVER}"
    assert (made.findtext("vcpu"), made.findtext("memory"), made.find("memory").get("unit")) == ("2", "256", "MiB")


def test_a_domain_names_its_host():
    made = domain()

    mark = ET.tostring(made.find("metadata")[0], encoding="unicode")

    assert xml.host_of(mark) == "h1"
    assert xml.host_of("<nothing/>") is None
    assert xml.host_of("not xml") is None


@pytest.mark.parametrize(("kvm", "kind", "cpu"), [(True, "kvm", "host-passthrough"), (False, "qemu", "maximum")])
def test_the_processor_follows_the_accelerator(kvm, kind, cpu):
    made = domain(kvm=kvm)

    assert (made.get("type"), made.find("cpu").get("mode")) == (kind, cpu)


def test_the_chain_of_disk_images_is_spelt_out_to_its_end():
    disk = domain().find("devices/disk[@device='disk']")

    below = disk.find("backingStore")
    assert disk.find("driver").get("type") == "qcow2"
    assert (below.find("format").get("type"), below.find("source").get("file")) == ("raw", "/i/base.raw")
    assert list(below.find("backingStore")) == [] and below.find("backingStore").get("type") is None


def test_disks_are_named_in_order_and_the_config_drive_is_a_cdrom():
    extra = Disk(path=Path("/d/swap.raw"), format="raw")

    names = [target.get("dev") for target in domain(disks=(ROOT, extra, DRIVE)).findall("devices/disk/target")]

    assert names == ["vda", "vdb", "hdd"]


@pytest.mark.parametrize(
    ("properties", "machine", "bus", "cdrom", "model"),
    [
        ({}, "pc", "virtio", "ide", "virtio"),
        ({"hw_machine_type": "q35"}, "q35", "virtio", "sata", "virtio"),
        ({"hw_machine_type": "q35", "hw_disk_bus": "ide"}, "q35", "sata", "sata", "virtio"),
        ({"hw_disk_bus": "ide", "hw_vif_model": "e1000"}, "pc", "ide", "ide", "e1000"),
        ({"hw_machine_type": "toaster", "hw_disk_bus": "x", "hw_vif_model": "y"}, "pc", "virtio", "ide", "virtio"),
    ],
)
def test_a_guest_ordered_by_an_earlier_release_is_built_as_that_release_did(properties, machine, bus, cdrom, model):
    made = domain(image_properties=properties)

    assert made.find("os/type").get("machine") == machine
    assert [target.get("bus") for target in made.findall("devices/disk/target")] == [bus, cdrom]
    assert made.find("devices/interface/model").get("type") == model


def test_an_interface_uses_the_tap_that_was_made_for_it():
    made = domain().find("devices/interface")

    assert (made.get("type"), made.find("target").get("dev"), made.find("target").get("managed")) == ("ethernet", "tap1", "no")
    assert made.find("mac").get("address") == "fa:16:3e:00:00:01"


def test_the_console_is_logged_and_the_screen_listens_nowhere():
    made = domain()

    assert made.find("devices/serial/log").get("file") == "/d/console.log"
    assert made.find("devices/graphics").get("type") == "vnc"
    assert [one.attrib for one in made.findall("devices/graphics/listen")] == [{"type": "none"}]


def test_a_name_that_xml_cannot_carry_does_no_harm():
    made = domain(name="a\x00b<&\x1fc")

    assert made.findtext(f"metadata/{{{xml.NAMESPACE}}}guest/{{{xml.NAMESPACE}}}name") == "ab<&c"


def test_the_console_gives_the_newest_lines_across_rolled_parts(tmp_path):
    log = tmp_path / "console.log"
    log.write_bytes(b"five\nsix")
    (tmp_path / "console.log.0").write_bytes(b"three\nfour\n")
    (tmp_path / "console.log.1").write_bytes(b"one\ntwo\n")

    assert console.newest(log, None) == b"one\ntwo\nthree\nfour\nfive\nsix"
    assert console.newest(log, 3) == b"four\nfive\nsix"
    assert console.newest(log, 0) == b""
    assert console.newest(tmp_path / "none", None) == b""


def test_a_large_console_is_cut_to_a_mebibyte(tmp_path):
    (tmp_path / "console.log").write_bytes(b"x" * 3_000_000)

    assert len(console.newest(tmp_path / "console.log", None)) == 1024 * 1024


@pytest.mark.skipif(not shutil.which(probe.EMULATOR), reason="QEMU is not installed")
def test_the_probes_guest_ends_as_it_should_where_guests_run():
    assert probe.boots("tcg", "max", within_s=60)


def test_an_accelerator_that_does_not_exist_does_not_work():
    assert not probe.boots("none-such", "max")


def test_kvm_without_its_device_does_not_work(monkeypatch, tmp_path):
    monkeypatch.setattr(probe, "DEVICE", tmp_path / "kvm")

    assert not probe.kvm_works()


def test_emulated_kvm_is_not_even_tried(monkeypatch, tmp_path):
    (tmp_path / "kvm").touch()
    (tmp_path / "kvm_pvm").mkdir()
    monkeypatch.setattr(probe, "DEVICE", tmp_path / "kvm")
    monkeypatch.setattr(probe, "MODULES", tmp_path)
    monkeypatch.setattr(probe, "boots", lambda *given: pytest.fail("it was tried"))

    assert not probe.kvm_works()
