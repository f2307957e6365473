"""What a guest boots with beside its disk: checked as all images are, its own, and gone with what it belonged to."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
import threading
import xml.etree.ElementTree as ET

import pytest
from unit.compute.disks.test_cache import DATA, source
from unit.compute.stage import SERVER, spec

from nova_lite.compute.disks.cache import ImageCache
from nova_lite.compute.disks.root import GuestDisks
from nova_lite.compute.disks.tool import DiskError
from nova_lite.compute.specs import GuestSpecs
from nova_lite.compute.virt.libvirt import xml
from nova_lite.compute.virt.libvirt.build import used_images
from nova_lite.image.client import ImageDamaged
from nova_lite.model import wire
from nova_lite.model.guest import DirectBoot, GuestSpec, Rescue
from nova_lite.model.hardware import reading

pytestmark = pytest.mark.skipif(not shutil.which("qemu-img"), reason="qemu-img is not installed")
GO_ON = threading.Event()
KERNEL, RAMDISK, OTHER = b"a kernel" * 100, b"a ramdisk" * 100, b"another kernel"
DIRECT = DirectBoot(kernel=source(KERNEL, "aki"), ramdisk=source(RAMDISK, "ari"))
GUEST = spec(SERVER, image=source(disk_format="ami"), root_gib=1, direct=DIRECT)


class Folder:
    """Disks, and how often what was fetched."""

    def __init__(self, folder):
        self.fetched, self.bad = [], b""
        self.specs = GuestSpecs(folder / "guests")
        self.cache = ImageCache(folder / "images", self._in_use, fetch=self._fetch)
        self.disks = GuestDisks(folder / "disks", self.cache)
        self.of_guest = folder / "disks" / SERVER

    def _fetch(self, one, target, _stop):
        [data] = [data for data in (DATA, KERNEL, RAMDISK, OTHER) if hashlib.sha512(data).hexdigest() == one.sha512]
        if data == self.bad:
            raise ImageDamaged
        self.fetched.append(data)
        target.write_bytes(data)

    def _in_use(self):
        return {image.sha512 for image in used_images(self.specs)}

    def named(self, pattern):
        return {path.name: path.read_bytes() for path in self.of_guest.glob(pattern)}


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def xml_of(folder, wanted):
    made = xml.Domain(
        spec=wanted, host="h1", kvm=False, disks=folder.disks.ensure(wanted, GO_ON), plugs=(),
        console_log=folder.of_guest / "console.log", nvram=folder.of_guest / "nvram.fd", boot=folder.disks.boot_files(wanted),
    )  # fmt: skip
    return ET.fromstring(xml.domain_xml(made)).find("os")


def test_a_guest_gets_its_own_kernel_and_ramdisk_once(folder):
    for _ in range(2):
        folder.disks.ensure(GUEST, GO_ON)
    folder.cache.remove_unused(1 << 40)

    assert sorted(folder.fetched) == sorted([DATA, KERNEL, RAMDISK])
    assert folder.named("boot.*") == {"boot.kernel": KERNEL, "boot.ramdisk": RAMDISK}
    assert {path.stat().st_mode & 0o777 for path in folder.of_guest.glob("boot.*")} == {0o600}


def test_its_domain_boots_with_them(folder):
    found = xml_of(folder, GUEST)

    assert (found.findtext("kernel"), found.findtext("initrd")) == tuple(
        str(folder.of_guest / name) for name in ("boot.kernel", "boot.ramdisk")
    )
    assert found.findtext("cmdline") == "root=/dev/vda console=tty0 console=ttyS0"


@pytest.mark.parametrize(
    ("line", "bus", "expected"),
    [
        (None, "scsi", "root=/dev/sda console=tty0 console=ttyS0"),
        (None, "ide", "root=/dev/hda console=tty0 console=ttyS0"),
        ("root=/dev/vda1 quiet <&>", "scsi", "root=/dev/vda1 quiet <&>"),
    ],
)
def test_the_command_line_is_the_images_or_names_the_first_disk(folder, line, bus, expected):
    hardware = reading.read_sized({}, {"hw_disk_bus": bus}, vcpus=1, ram_mib=128)
    direct = dataclasses.replace(DIRECT, ramdisk=None, command_line=line)

    found = xml_of(folder, dataclasses.replace(GUEST, hardware=hardware, direct=direct))

    assert (found.findtext("cmdline"), found.find("initrd")) == (expected, None)


def test_a_guest_with_a_loader_has_none_of_it(folder):
    found = xml_of(folder, dataclasses.replace(GUEST, direct=None))

    assert [found.find(name) for name in ("kernel", "initrd", "cmdline")] == [None] * 3
    assert folder.named("boot.*") == {}


@pytest.mark.parametrize("bad", [KERNEL, RAMDISK])
def test_damaged_ones_make_no_guest(folder, bad):
    folder.bad = bad

    with pytest.raises(DiskError, match="damaged"):
        folder.disks.ensure(GUEST, GO_ON)


def test_a_format_that_no_kernel_has_is_not_the_hosts_fault(folder):
    direct = DirectBoot(kernel=source(KERNEL, "qcow2"))

    with pytest.raises(DiskError, match="no kernel") as caught:
        folder.disks.ensure(dataclasses.replace(GUEST, direct=direct), GO_ON)

    assert not caught.value.host_at_fault


def test_a_rescued_guest_boots_with_what_the_rescue_image_names_and_then_with_its_own(folder):
    folder.disks.ensure(GUEST, GO_ON)
    rescue = Rescue(image=source(), direct=DirectBoot(kernel=source(OTHER, "aki")))
    rescued = dataclasses.replace(GUEST, rescue=rescue)

    found = xml_of(folder, rescued)

    assert (found.findtext("kernel"), found.find("initrd")) == (str(folder.of_guest / "rescue.kernel"), None)
    assert folder.named("rescue.kernel") == {"rescue.kernel": OTHER}
    assert xml_of(folder, dataclasses.replace(rescued, rescue=Rescue(image=source()))).find("kernel") is None
    folder.disks.drop_rescue(SERVER)
    assert folder.named("*.kernel") == {"boot.kernel": KERNEL}


@pytest.mark.parametrize("keep_blanks", [False, True])
def test_a_guest_made_anew_boots_with_what_is_new(folder, keep_blanks):
    folder.disks.ensure(GUEST, GO_ON)
    folder.disks.drop(SERVER, keep_blanks=keep_blanks)
    assert folder.named("boot.*") == {}

    folder.disks.ensure(dataclasses.replace(GUEST, direct=DirectBoot(kernel=source(OTHER, "aki"))), GO_ON)

    assert folder.named("boot.*") == {"boot.kernel": OTHER}


def test_what_a_guest_boots_with_stays_in_the_cache_while_it_is_copied(folder, monkeypatch):
    rescued = dataclasses.replace(GUEST, rescue=Rescue(image=source(), direct=DirectBoot(kernel=source(OTHER, "aki"))))
    copy = shutil.copyfile

    def crowded(*paths):
        folder.cache.remove_unused(1 << 40)
        return copy(*paths)

    monkeypatch.setattr(shutil, "copyfile", crowded)
    for wanted in (GUEST, rescued):
        folder.specs.save(wanted)
        folder.disks.ensure(wanted, GO_ON)

    assert folder.named("*.kernel") == {"boot.kernel": KERNEL, "rescue.kernel": OTHER}
    folder.specs.remove(SERVER)
    assert folder.cache.remove_unused(1 << 40) > 0


def test_no_ticket_is_kept_with_the_guest(folder):
    opens = dataclasses.replace(DIRECT, kernel=dataclasses.replace(DIRECT.kernel, ticket="sesame"))
    opens = dataclasses.replace(opens, ramdisk=dataclasses.replace(DIRECT.ramdisk, ticket="sesame"))
    rescued = Rescue(image=dataclasses.replace(source(), ticket="sesame"), direct=opens)

    folder.specs.save(dataclasses.replace(GUEST, direct=opens, rescue=rescued))

    kept = folder.specs.find(SERVER)
    assert [len(direct.images) for direct in (kept.direct, kept.rescue.direct)] == [2, 2]
    assert not any(b"sesame" in path.read_bytes() for path in (folder.of_guest.parents[1] / "guests").iterdir())


def test_it_goes_over_the_wire(folder):
    sent = wire.to_plain(GUEST)

    assert wire.from_plain(GuestSpec, sent) == GUEST
    assert wire.from_plain(GuestSpec, {name: value for name, value in sent.items() if name != "direct"}).direct is None
