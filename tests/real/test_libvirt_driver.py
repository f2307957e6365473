"""The libvirt driver on a real libvirt and QEMU: the contract, and what only real guests show."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import queue
import shutil
import signal
import subprocess
import threading
import time
import uuid
from pathlib import Path

import libvirt
import pytest
from real.libvirtd import Libvirtd, missing
from unit.compute.stage import interface, key, numbered_interface, spec
from unit.compute.virt.driver_contract import ONE, TWO, DriverContract, go, macs, powers

from nova_lite.cli.guest_image import builder
from nova_lite.compute.virt.driver import VirtError
from nova_lite.compute.virt.libvirt import build, probe
from nova_lite.compute.virt.libvirt.facts import Place
from nova_lite.compute.wiring import limits
from nova_lite.compute.wiring.fake import FakeWiring
from nova_lite.model.guest import DirectBoot, PowerState
from nova_lite.model.image import ImageSource

pytestmark = pytest.mark.libvirt
BOOT_S = 120


@pytest.fixture(scope="module")
def libvirtd():
    lack = missing()
    if lack:
        pytest.skip(f"libvirt: {lack}")
    daemon = Libvirtd()
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.remove()


class TapWiring(FakeWiring):
    """Makes real taps, and nothing else."""

    def plug(self, server_id, one):
        tap = f"nlt{one.port_id[:8]}"
        super().plug(server_id, one)
        many = ["multi_queue"] if one.queues > 1 else []
        subprocess.run(["ip", "tuntap", "add", "dev", tap, "mode", "tap", *many], capture_output=True, check=False, timeout=10)
        self.made = {*getattr(self, "made", ()), tap}
        return tap

    def unplug_one(self, server_id, one):
        super().unplug_one(server_id, one)
        subprocess.run(["ip", "link", "delete", f"nlt{one.port_id[:8]}"], capture_output=True, check=False, timeout=10)

    def unplug(self, server_id):
        super().unplug(server_id)
        self.remove_all()

    def remove_all(self):
        """Remove the taps that were made, whoever has them."""
        for tap in getattr(self, "made", ()):
            subprocess.run(["ip", "link", "delete", tap], capture_output=True, check=False, timeout=10)


class Hypervisor:
    """A host on the tests' libvirt. Its image is a file beside it."""

    def __init__(self, libvirtd, image, wiring=None):
        self.libvirtd = libvirtd
        self.host = f"t-{uuid.uuid4().hex[:8]}"
        self.folder = libvirtd.place / self.host
        self.folder.mkdir()
        self.image = image
        self.wiring = wiring or TapWiring()
        self._drivers = []
        self.driver = self.again()

    def again(self):
        place = Place(
            host=self.host,
            zone="nova",
            host_ip="127.0.0.1",
            folder=self.folder,
            kvm=probe.kvm_works(),
            nic_limits=limits.are_possible(),
            reserved_ram_mib=512,
        )
        driver = build.assemble(self.libvirtd.uri, place, self.wiring)
        driver._parts.disks._cache._fetch = lambda source, target, stop: shutil.copyfile(self.image, target)
        self._drivers.append(driver)
        return driver

    def spec(self, server_id, **changes):
        data = self.image.read_bytes()
        virtual = int.from_bytes(data[24:32], "big") if data[:4] == b"QFI\xfb" else len(data)
        source = ImageSource(
            image_id="cccccccc-0000-4000-8000-000000000001",
            sha512=hashlib.sha512(data).hexdigest(),
            size_bytes=len(data),
            virtual_size_bytes=virtual,
            disk_format="qcow2" if data[:4] == b"QFI\xfb" else "raw",
            url="http://127.0.0.1/none",
            ticket="secret",
        )
        return spec(server_id, image=source, **changes)

    def interface(self, number):
        return numbered_interface(number)

    def domain(self, server_id):
        connection = libvirt.open(self.libvirtd.uri)
        return connection.lookupByUUIDString(server_id)

    def kill(self, server_id):
        self.domain(server_id).destroy()

    def console(self, server_id):
        return self.driver.console_output(server_id, None).decode(errors="replace")

    def wait_for_console(self, server_id, text, times=1):
        until = time.monotonic() + BOOT_S
        while self.console(server_id).count(text) < times:
            assert time.monotonic() < until, self.console(server_id)[-1500:]
            time.sleep(0.3)

    def close(self):
        driver = self.again()
        for guest in driver.list_guests():
            driver.remove_guest(guest.server_id)
        for one in self._drivers:
            one.close()
        self.wiring.remove_all()


@pytest.fixture(scope="module")
def blank(tmp_path_factory):
    path = tmp_path_factory.mktemp("image") / "blank.raw"
    path.write_bytes(b"\0" * 1024 * 1024)
    return path


@pytest.fixture
def hypervisor(libvirtd, blank):
    built = Hypervisor(libvirtd, blank)
    try:
        yield built
    finally:
        built.close()


class TestLibvirtDriver(DriverContract):
    """The contract."""


def test_nothing_of_a_removed_guest_is_left(hypervisor):
    everything = hypervisor.spec(ONE, config_drive=True, ephemeral_gib=1, swap_mib=64, interfaces=(interface(),))
    hypervisor.driver.ensure_guest(everything, go())
    before = sorted(path.name for path in hypervisor.folder.glob(f"disks/{ONE}/*"))

    hypervisor.driver.remove_guest(ONE)

    assert before == ["config.iso", "console.log", "ephemeral.raw", "root.qcow2", "swap.raw"]
    assert list(hypervisor.folder.glob("disks/*")) == list(hypervisor.folder.glob("guests/*")) == []
    assert hypervisor.wiring.taps(ONE) == ()
    with pytest.raises(libvirt.libvirtError):
        hypervisor.domain(ONE)


def test_secrets_on_the_disk_are_for_root_and_the_hypervisor_only(hypervisor):
    hypervisor.driver.ensure_guest(hypervisor.spec(ONE, config_drive=True, admin_pass="hunter2"), go())

    drive = hypervisor.folder / f"disks/{ONE}/config.iso"
    kept = hypervisor.folder / f"guests/{ONE}.json"

    assert drive.stat().st_mode & 0o077 == 0
    assert kept.stat().st_mode & 0o077 == 0
    assert b"hunter2" in drive.read_bytes()
    assert "hunter2" not in kept.read_text() and "secret" not in kept.read_text()


def test_another_hosts_guests_and_strangers_are_neither_listed_nor_touched(hypervisor, libvirtd, blank):
    other = Hypervisor(libvirtd, blank)
    stranger = libvirt.open(libvirtd.uri).defineXML(
        "<domain type='qemu'><name>nova-lite-strange</name><memory unit='MiB'>16</memory><os><type>hvm</type></os></domain>"
    )
    try:
        other.driver.ensure_guest(other.spec(TWO), go())

        listed = powers(hypervisor.driver)
        hypervisor.driver.remove_guest(TWO)
        hypervisor.driver.remove_guest(stranger.UUIDString())

        assert listed == {}
        assert powers(other.driver) == {TWO: PowerState.RUNNING}
        assert stranger.name() == "nova-lite-strange"
    finally:
        stranger.undefine()
        other.close()


def test_a_guest_half_made_by_a_driver_that_died_is_completed(hypervisor):
    hypervisor.driver.ensure_guest(hypervisor.spec(ONE), go())
    hypervisor.kill(ONE)
    hypervisor.domain(ONE).undefine()
    (hypervisor.folder / f"disks/{ONE}/root.new").write_text("half")

    assert hypervisor.again().ensure_guest(hypervisor.spec(ONE), go()) is PowerState.RUNNING


def test_a_guest_that_libvirt_was_made_to_forget_starts_from_its_disks(hypervisor):
    hypervisor.driver.ensure_guest(hypervisor.spec(ONE, config_drive=True), go())
    before = (hypervisor.folder / f"disks/{ONE}/root.qcow2").stat().st_ino
    hypervisor.kill(ONE)
    hypervisor.domain(ONE).undefine()

    off = hypervisor.again().power_off(ONE, 1.0, go())
    on = hypervisor.again().power_on(ONE)

    assert (off, on) == (PowerState.SHUTDOWN, PowerState.RUNNING)
    assert (hypervisor.folder / f"disks/{ONE}/root.qcow2").stat().st_ino == before


def test_calls_wait_for_a_libvirtd_that_is_started_anew(hypervisor, libvirtd):
    hypervisor.driver.ensure_guest(hypervisor.spec(ONE), go())
    libvirtd.stop_libvirtd()
    answers = []
    asking = threading.Thread(target=lambda: answers.append(powers(hypervisor.driver)))
    asking.start()
    time.sleep(1)

    libvirtd.start_libvirtd()
    asking.join(60)

    assert answers == [{ONE: PowerState.RUNNING}]


def test_after_a_power_cut_a_suspended_guest_goes_on_and_the_other_starts(hypervisor, libvirtd):
    for server_id in (ONE, TWO):
        hypervisor.driver.ensure_guest(hypervisor.spec(server_id), go())
    hypervisor.driver.states.suspend(ONE)

    libvirtd.lose_power()
    libvirtd.start()
    driver = hypervisor.again()
    before = powers(driver)
    after = {server_id: driver.power_on(server_id) for server_id in (ONE, TWO)}

    assert before == {ONE: PowerState.SUSPENDED, TWO: PowerState.SHUTDOWN}
    assert after == {ONE: PowerState.RUNNING, TWO: PowerState.RUNNING}
    assert [is_restored(libvirtd, server_id) for server_id in (ONE, TWO)] == [True, False]


def is_restored(libvirtd, server_id):
    """Whether a guest's memory came from a file: its QEMU was told so."""
    pid = (libvirtd.root / f"run/qemu/nova-lite-{server_id}.pid").read_text()
    return b"-incoming" in Path(f"/proc/{pid.strip()}/cmdline").read_bytes()


def test_a_libvirt_that_hangs_is_left_behind_and_found_again(hypervisor, libvirtd):
    hypervisor.driver.ensure_guest(hypervisor.spec(ONE), go())
    hypervisor.driver._connection._call_s = 2.0
    libvirtd.freeze()
    began = time.monotonic()
    try:
        with pytest.raises(VirtError) as refusal:
            hypervisor.driver.list_guests()
        took = time.monotonic() - began
    finally:
        libvirtd.thaw()

    assert refusal.value.code == "unavailable"
    assert took < 10
    hypervisor.driver._connection._call_s = 30.0
    assert powers(hypervisor.driver) == {ONE: PowerState.RUNNING}


def test_a_guest_that_qemu_refuses_is_the_hosts_fault_in_words(hypervisor):
    with pytest.raises(VirtError) as refusal:
        hypervisor.driver.ensure_guest(hypervisor.spec(ONE, ram_mib=2**34), go())

    assert refusal.value.host_at_fault
    hypervisor.driver.remove_guest(ONE)
    assert powers(hypervisor.driver) == {}


def test_an_image_larger_than_the_disk_is_not_the_hosts_fault(hypervisor):
    small = hypervisor.spec(ONE)
    large = dataclasses.replace(small, image=dataclasses.replace(small.image, virtual_size_bytes=5 * 1024**3))

    with pytest.raises(VirtError) as refusal:
        hypervisor.driver.ensure_guest(large, go())

    assert (refusal.value.code, refusal.value.host_at_fault) == ("disk_too_small", False)
    assert "5 GiB" in refusal.value.message


def test_a_qemu_that_dies_shows_as_a_guest_that_is_off(hypervisor):
    came = threading.Event()
    hypervisor.driver.listen(lambda server_id, power: power is not PowerState.RUNNING and came.set())
    hypervisor.driver.ensure_guest(hypervisor.spec(ONE), go())
    pid = int((hypervisor.libvirtd.root / f"run/qemu/nova-lite-{ONE}.pid").read_text())

    os.kill(pid, signal.SIGKILL)

    assert came.wait(15)
    assert powers(hypervisor.driver)[ONE] in (PowerState.SHUTDOWN, PowerState.CRASHED)
    assert hypervisor.driver.power_on(ONE) is PowerState.RUNNING


def test_a_guest_that_somebody_pauses_and_undefines_in_libvirt_is_told_as_it_is(hypervisor):
    told = queue.SimpleQueue()
    hypervisor.driver.ensure_guest(hypervisor.spec(ONE), go())
    hypervisor.driver.listen(lambda server_id, power: told.put((server_id, power)))

    hypervisor.domain(ONE).suspend()
    paused = told.get(timeout=15)
    seen = powers(hypervisor.driver)
    hypervisor.domain(ONE).destroy()
    off = told.get(timeout=15)
    hypervisor.domain(ONE).undefine()

    assert (paused, seen) == ((ONE, PowerState.PAUSED), {ONE: PowerState.PAUSED})
    assert off == (ONE, PowerState.SHUTDOWN)
    assert powers(hypervisor.driver) == {}


def test_a_libvirt_host_says_what_it_keeps_of_its_disk(hypervisor):
    place = hypervisor.driver._parts.place
    free = hypervisor.driver.facts()
    hypervisor.driver._parts = dataclasses.replace(
        hypervisor.driver._parts, place=dataclasses.replace(place, reserved_disk_gib=1 << 19)
    )

    full = hypervisor.driver.facts()

    assert (free.short_of, full.short_of) == ("", "disk")
    assert full.reserved.disk_gib == full.total.disk_gib


def test_a_guest_that_libvirt_forgot_is_made_anew_over_its_disks(hypervisor):
    hypervisor.driver.ensure_guest(hypervisor.spec(ONE), go())
    disk = hypervisor.folder / f"disks/{ONE}/root.qcow2"
    before = disk.stat().st_ino
    hypervisor.kill(ONE)
    hypervisor.domain(ONE).undefine()

    assert hypervisor.driver.power_on(ONE) is PowerState.RUNNING

    assert disk.stat().st_ino == before
    hypervisor.kill(ONE)
    hypervisor.domain(ONE).undefine()
    assert hypervisor.driver.reboot(ONE, hard=True, graceful_s=0, stop=go()) is PowerState.RUNNING


def test_a_running_guest_gets_a_card_and_lets_go_of_it(libvirtd):
    hypervisor = Hypervisor(libvirtd, builder.ensure().disk)
    first, second = hypervisor.interface(1), hypervisor.interface(2)
    try:
        hypervisor.driver.ensure_guest(hypervisor.spec(ONE, interfaces=(first,)), go())
        hypervisor.wait_for_console(ONE, "GUEST-ROOT")  # its kernel is there; for an address it would wait long

        for _ in range(2):
            hypervisor.driver.interfaces.ensure(ONE, (first, second), go())
        assert macs(hypervisor.driver) == {first.mac_address, second.mac_address}
        for _ in range(2):
            hypervisor.driver.interfaces.ensure(ONE, (second,), go())
        assert macs(hypervisor.driver) == {second.mac_address}

        hypervisor.driver.reboot(ONE, hard=True, graceful_s=0.0, stop=go())
        assert macs(hypervisor.driver) == {second.mac_address}
    finally:
        hypervisor.close()


def test_a_real_guest_boots_reads_its_config_drive_and_obeys(libvirtd):
    image = builder.ensure().disk
    hypervisor = Hypervisor(libvirtd, image)
    try:
        wanted = hypervisor.spec(
            ONE,
            hostname="real",
            config_drive=True,
            keys=(key(),),
            user_data="IyEvYmluL3NoCmVjaG8gVVNFUi1EQVRBLVJBTgo=",  # a script that says USER-DATA-RAN
        )
        hypervisor.driver.ensure_guest(wanted, go())
        hypervisor.wait_for_console(ONE, "login:")
        first = hypervisor.console(ONE)
        began = time.monotonic()
        hypervisor.driver.reboot(ONE, hard=False, graceful_s=60.0, stop=go())
        rebooted_in = time.monotonic() - began
        hypervisor.wait_for_console(ONE, "login:", 2)
        hypervisor.driver.power_off(ONE, 60.0, go())

        assert "GUEST-UP hostname=real" in first and "source=config-drive" in first
        assert "USER-DATA-RAN" in first
        assert rebooted_in < 55  # it shut itself down: nobody pulled the plug
        assert "GUEST-DOWN" in hypervisor.console(ONE)
        assert powers(hypervisor.driver) == {ONE: PowerState.SHUTDOWN}
    finally:
        hypervisor.close()


def test_a_real_guest_boots_with_a_kernel_and_a_ramdisk_of_their_own(libvirtd):
    built = builder.ensure()
    hypervisor = Hypervisor(libvirtd, built.root)
    of = {hashlib.sha512(path.read_bytes()).hexdigest(): path for path in (built.root, built.kernel, built.initrd)}
    hypervisor.driver._parts.disks._cache._fetch = lambda source, target, stop: shutil.copyfile(of[source.sha512], target)
    wanted = hypervisor.spec(ONE, hostname="triple", config_drive=True)
    kernel, ramdisk = (
        dataclasses.replace(wanted.image, sha512=sha512, size_bytes=of[sha512].stat().st_size, disk_format=disk_format)
        for sha512, disk_format in zip(list(of)[1:], ("aki", "ari"), strict=True)
    )
    direct = DirectBoot(kernel=kernel, ramdisk=ramdisk)
    try:
        hypervisor.driver.ensure_guest(dataclasses.replace(wanted, direct=direct), go())
        hypervisor.wait_for_console(ONE, "login:")

        assert "GUEST-UP hostname=triple" in hypervisor.console(ONE)
        assert "console=tty0 console=ttyS0" in hypervisor.domain(ONE).XMLDesc()
        hypervisor.driver.reboot(ONE, hard=True, graceful_s=0.0, stop=go())
        hypervisor.wait_for_console(ONE, "login:", 2)
    finally:
        hypervisor.close()
