"""What of the libvirt driver needs no libvirt: its XML, its console logs, its probe."""

from __future__ import annotations

import shutil
import threading
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace

import libvirt
import pytest
from unit.compute.stage import SERVER, interface, numbered_interface, spec

from nova_lite.compute.disks.root import Disk
from nova_lite.compute.specs import GuestSpecs
from nova_lite.compute.virt.driver import VirtError
from nova_lite.compute.virt.libvirt import console, interfaces, probe, xml
from nova_lite.compute.virt.libvirt.interfaces import KEPT, LIVE
from nova_lite.compute.virt.libvirt.making import Making
from nova_lite.compute.wiring.bridge import tap_name
from nova_lite.compute.wiring.fake import FakeWiring
from nova_lite.model.guest import PowerState

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


def test_a_card_that_is_plugged_in_is_the_one_that_a_new_domain_would_have():
    plug = xml.Plug(interface=interface(), tap="tap1")

    made = interfaces.card_xml(plug, spec())

    whole = ET.tostring(domain(), encoding="unicode")
    assert interfaces.cards(whole) == {interface().mac_address: made}


class Domain:
    """A libvirt domain with its two definitions; it lets go of a card when it was asked `asks` times."""

    def __init__(self, active=True, asks=1):
        self.active = active
        self.sides = {LIVE: {}, KEPT: {}}
        self.asks = asks
        self.calls = []

    def isActive(self):
        return self.active

    def XMLDesc(self, flags):
        cards = self.sides[KEPT if flags == libvirt.VIR_DOMAIN_XML_INACTIVE else LIVE].values()
        return f"<domain><devices>{''.join(cards)}</devices></domain>"

    def attachDeviceFlags(self, text, flag):
        self.calls.append(("attach", flag))
        (mac,) = interfaces.cards(f"<domain><devices>{text}</devices></domain>")
        assert mac not in self.sides[flag]
        self.sides[flag][mac] = text

    def detachDeviceFlags(self, text, flag):
        self.calls.append(("detach", flag))
        (mac,) = interfaces.cards(f"<domain><devices>{text}</devices></domain>")
        if flag == LIVE:
            self.asks -= 1
            if self.asks > 0:
                return
        del self.sides[flag][mac]


class Stage:
    """The libvirt part on a domain without a libvirt."""

    def __init__(self, folder, domain, monkeypatch):
        self.domain = domain
        self.wiring = FakeWiring()
        self.specs = GuestSpecs(folder / "guests")
        monkeypatch.setattr(interfaces.domains, "find", lambda connection, host, server_id: self.domain)
        for name in ("ASK_AGAIN_S", "LOOK_S"):
            monkeypatch.setattr(interfaces, name, 0.0)
        place = SimpleNamespace(host="h1")
        parts = SimpleNamespace(place=place, specs=self.specs, wiring=self.wiring)
        connection = SimpleNamespace(run=lambda act, timeout_s: act(None))
        making = Making(parts, SimpleNamespace())
        self.part = interfaces.LibvirtInterfaces(parts, making, connection, lambda server_id: PowerState.RUNNING)
        self.specs.save(spec())

    def ensure(self, *numbers):
        self.part.ensure(SERVER, tuple(numbered_interface(number) for number in numbers), threading.Event())

    def cards(self):
        """Give the cards' MAC addresses, of the live domain and of its definition."""
        return [sorted(side) for side in self.domain.sides.values()]


def macs_of(*numbers):
    return [numbered_interface(number).mac_address for number in numbers]


def taps_of(*numbers):
    return [tap_name(numbered_interface(number).port_id) for number in numbers]


def test_a_running_guests_card_is_plugged_now_and_for_later_once(tmp_path, monkeypatch):
    stage = Stage(tmp_path, Domain(), monkeypatch)

    stage.ensure(1)
    stage.ensure(1)

    assert stage.cards() == [macs_of(1), macs_of(1)]
    assert stage.domain.calls == [("attach", LIVE), ("attach", KEPT)]
    assert stage.wiring.taps(SERVER) == tuple(taps_of(1))
    assert stage.specs.find(SERVER).interfaces == (numbered_interface(1),)
    assert stage.wiring.specs[SERVER].interfaces == (numbered_interface(1),)


def test_a_guest_that_is_off_has_it_from_its_next_start(tmp_path, monkeypatch):
    stage = Stage(tmp_path, Domain(active=False), monkeypatch)

    stage.ensure(1)

    assert stage.cards() == [[], macs_of(1)]


def test_a_guest_that_does_not_hear_is_asked_again(tmp_path, monkeypatch):
    stage = Stage(tmp_path, Domain(asks=3), monkeypatch)
    stage.ensure(1, 2)

    stage.ensure(2)

    assert stage.domain.calls.count(("detach", LIVE)) == 3
    assert stage.cards() == [macs_of(2), macs_of(2)]
    assert stage.wiring.taps(SERVER) == tuple(taps_of(2))


def test_a_card_that_the_guest_does_not_let_go_stays_whole(tmp_path, monkeypatch):
    stage = Stage(tmp_path, Domain(asks=10**9), monkeypatch)
    monkeypatch.setattr(interfaces, "LET_GO_S", 0.05)
    stage.ensure(1)

    with pytest.raises(VirtError) as caught:
        stage.ensure()

    assert caught.value.code == "held" and not caught.value.host_at_fault
    assert stage.cards() == [macs_of(1), macs_of(1)]
    assert stage.wiring.taps(SERVER) == tuple(taps_of(1))
    assert stage.specs.find(SERVER).interfaces == (numbered_interface(1),)


def test_a_guest_that_libvirt_forgot_gets_its_cards_with_its_next_domain(tmp_path, monkeypatch):
    stage = Stage(tmp_path, None, monkeypatch)

    stage.ensure(1)

    assert stage.specs.find(SERVER).interfaces == (numbered_interface(1),)


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
