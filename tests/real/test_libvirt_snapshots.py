"""Snapshots on a real libvirt and QEMU: the contract, the moment they show, and that guests boot from them."""

from __future__ import annotations

import subprocess

import libvirt_qemu
import pytest
from real.test_libvirt_driver import Hypervisor as Host
from real.test_libvirt_driver import blank, libvirtd  # noqa: F401 - fixtures
from unit.compute.virt.driver_contract import ONE, TWO, go, powers
from unit.compute.virt.snapshot_contract import TARGET, Sink, SnapshotContract

from nova_lite.cli.guest_image import builder
from nova_lite.compute.virt.driver import VirtError
from nova_lite.model.guest import PowerState
from nova_lite.rpc.commands import Quiesce

pytestmark = pytest.mark.libvirt
MIB = 1 << 20
DEVICE = "/machine/peripheral/virtio-disk0/virtio-backend"


class Hypervisor(Host):
    """A host whose snapshots are seen."""

    def again(self):
        driver = super().again()
        driver.snapshots.libvirt_folder = self.libvirtd.root / "lib"
        return driver

    def held(self, server_id):
        domain = self.domain(server_id)
        there = [path.name for path in (self.folder / f"disks/{server_id}").glob("snapshot*")]
        return there or domain.isActive() and "<domainbackup" in _or_nothing(domain.backupGetXMLDesc)


def _or_nothing(ask):
    try:
        return ask()
    except libvirt_qemu.libvirt.libvirtError:
        return ""


@pytest.fixture
def hypervisor(libvirtd, blank):  # noqa: F811
    built = Hypervisor(libvirtd, blank)
    try:
        yield built
    finally:
        built.close()


class TestLibvirtSnapshots(SnapshotContract):
    """The contract."""


def write(hypervisor, byte, offset, length):
    """Have QEMU write to the guest's disk through the guest's own device."""
    command = f'qemu-io -d {DEVICE} "write -P {byte} {offset} {length}"'
    hmp = libvirt_qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP
    said = libvirt_qemu.qemuMonitorCommand(hypervisor.domain(ONE), command, hmp)
    assert not said.strip(), said  # what it did goes to QEMU's standard output


def raw_of(tmp_path, image):
    (tmp_path / "image").write_bytes(image)
    check = subprocess.run(["qemu-img", "check", "-f", "qcow2", str(tmp_path / "image")], capture_output=True, check=False)
    assert check.returncode == 0, check.stdout
    subprocess.run(
        ["qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(tmp_path / "image"), str(tmp_path / "raw")], check=True
    )
    return (tmp_path / "raw").read_bytes()


def test_a_snapshot_shows_the_moment_it_was_taken_at_though_the_guest_writes_on(hypervisor, tmp_path):
    driver = hypervisor.driver
    driver.ensure_guest(hypervisor.spec(ONE, root_gib=1), go())
    sink = Sink(driver)
    write(hypervisor, 1, 0, MIB)

    driver.snapshots.take(ONE, Quiesce.TRY, go())  # there is no agent: it goes without
    write(hypervisor, 2, 0, 4 * MIB)
    driver.snapshots.upload(ONE, TARGET, Quiesce.TRY, go())

    raw = raw_of(tmp_path, sink.images[0])
    assert len(raw) == 1024 * MIB
    assert raw[: 2 * MIB] == b"\1" * MIB + bytes(MIB)
    assert len(sink.images[0]) < 8 * MIB  # a gigabyte of which little holds data


def test_the_guest_goes_on_writing_to_its_own_disk_after_a_snapshot(hypervisor):
    driver = hypervisor.driver
    driver.ensure_guest(hypervisor.spec(ONE), go())
    Sink(driver)
    driver.snapshots.take(ONE, Quiesce.NO, go())
    write(hypervisor, 7, 0, 65536)
    driver.snapshots.upload(ONE, TARGET, Quiesce.NO, go())
    driver.power_off(ONE, 0.0, go())

    root = hypervisor.folder / f"disks/{ONE}/root.qcow2"
    sought = subprocess.run(
        ["qemu-io", "-r", "-c", "read -P 7 0 65536", str(root)], capture_output=True, text=True, check=False
    )

    assert "Pattern verification failed" not in sought.stdout and "read 65536" in sought.stdout
    assert driver.power_on(ONE) is PowerState.RUNNING


def test_a_guest_without_agent_that_must_be_quiesced_is_refused_and_goes_on(hypervisor):
    driver = hypervisor.driver
    driver.ensure_guest(hypervisor.spec(ONE), go())

    with pytest.raises(VirtError) as caught:
        driver.snapshots.take(ONE, Quiesce.MUST, go())

    assert (caught.value.code, caught.value.host_at_fault) == ("quiesce", False)
    assert powers(driver) == {ONE: PowerState.RUNNING}
    assert not hypervisor.held(ONE)


def test_a_guest_that_ends_while_it_is_sent_is_sent_from_its_file(hypervisor, tmp_path):
    driver = hypervisor.driver
    driver.ensure_guest(hypervisor.spec(ONE), go())
    sink = Sink(driver)
    write(hypervisor, 3, 0, 65536)
    driver.snapshots.take(ONE, Quiesce.NO, go())
    killed = []

    def kill_and_send(target, content, stop):
        if not killed:
            killed.append(ONE)
            hypervisor.kill(ONE)
        sink.send(target, content, stop)

    driver.snapshots.send = kill_and_send
    driver.snapshots.upload(ONE, TARGET, Quiesce.NO, go())

    assert killed and raw_of(tmp_path, sink.images[0])[:65536] == b"\3" * 65536


def test_a_guest_boots_from_a_snapshot_of_one_that_runs(libvirtd, tmp_path):  # noqa: F811
    hypervisor = Hypervisor(libvirtd, builder.ensure().disk)
    try:
        driver = hypervisor.driver
        driver.ensure_guest(hypervisor.spec(ONE, hostname="first"), go())
        hypervisor.wait_for_console(ONE, "login:")
        sink = Sink(driver)
        driver.snapshots.take(ONE, Quiesce.NO, go())
        driver.snapshots.upload(ONE, TARGET, Quiesce.NO, go())
        hypervisor.image = tmp_path / "snapshot.qcow2"
        hypervisor.image.write_bytes(sink.images[0])

        driver.ensure_guest(hypervisor.spec(TWO, hostname="second"), go())

        hypervisor.wait_for_console(TWO, "login:")
        assert powers(driver) == {ONE: PowerState.RUNNING, TWO: PowerState.RUNNING}
    finally:
        hypervisor.close()
