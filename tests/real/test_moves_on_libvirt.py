"""Guests that move between two libvirts, each with a door of its own: off, and as they run."""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
import threading
import time

import libvirt
import pytest
from real.libvirtd import Libvirtd, missing
from real.test_libvirt_driver import Hypervisor, TapWiring
from unit.compute.stage import interface
from unit.compute.virt.driver_contract import ONE

from nova_lite.compute.moving.door import Door
from nova_lite.compute.virt.driver import Stopped, VirtError
from nova_lite.compute.virt.libvirt import live
from nova_lite.model.guest import PowerState
from nova_lite.rpc.commands import MoveSource

pytestmark = pytest.mark.libvirt
TOKEN = "a token for one move"
DIGEST = hashlib.sha256(TOKEN.encode()).hexdigest()
MIB = 1 << 20


class OwnTaps(TapWiring):
    """Names taps by host too: both hosts are this machine."""

    def __init__(self, mark):
        super().__init__()
        self.mark = mark

    def plug(self, server_id, one):
        super(TapWiring, self).plug(server_id, one)
        tap = f"nl{self.mark}{one.port_id[:8]}"
        subprocess.run(["ip", "tuntap", "add", "dev", tap, "mode", "tap"], capture_output=True, check=False, timeout=10)
        self.made = {*getattr(self, "made", ()), tap}
        return tap


class Side:
    """One host: its libvirt, driver and door."""

    def __init__(self, libvirtd, image, mark):
        self.libvirtd = libvirtd
        self.hypervisor = Hypervisor(libvirtd, image)
        self.hypervisor.wiring = OwnTaps(mark)
        self.driver = self.hypervisor.again()
        self.door = Door(self.hypervisor.folder / "door", self.hypervisor.host, address="127.0.0.1")
        self.door.add(self.hypervisor.host, self.driver.moves.offer_of, self.driver.live.live_of)
        self.at = self.door.open()

    def way(self, token=TOKEN):
        return MoveSource(
            host=self.hypervisor.host, address="127.0.0.1", port=self.at.port, fingerprint=self.at.fingerprint, token=token
        )

    def guests(self):
        return {guest.server_id: guest.power_state for guest in self.driver.list_guests()}

    def root(self, server_id=ONE):
        return self.hypervisor.folder / "disks" / server_id / "root.qcow2"

    def close(self):
        self.door.close()
        self.hypervisor.close()


@pytest.fixture(scope="module")
def libvirts():
    lack = missing()
    if lack:
        pytest.skip(f"libvirt: {lack}")
    daemons = [Libvirtd(), Libvirtd()]
    try:
        for daemon in daemons:
            daemon.start()
        yield daemons
    finally:
        for daemon in daemons:
            daemon.remove()


@pytest.fixture
def sides(libvirts, tmp_path):
    image = tmp_path / "blank.raw"
    image.write_bytes(b"\0" * MIB)
    made = [Side(daemon, image, mark) for daemon, mark in zip(libvirts, "ab", strict=True)]
    yield made
    for side in made:
        side.close()


def write(disk, offset, byte):
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -P {byte} {offset} 64k", str(disk)], check=True, timeout=60)


def pattern_is(disk, offset, byte):
    said = subprocess.run(
        ["qemu-io", "-r", "-U", "-f", "qcow2", "-c", f"read -P {byte} {offset} 64k", str(disk)],
        check=False,
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert "read 65536/65536" in said.stdout, said.stderr
    return "verification failed" not in said.stdout + said.stderr


def test_a_guest_that_is_off_goes_over_with_its_disks_and_comes_back(sides):
    here, there = sides
    made = here.hypervisor.spec(ONE, interfaces=(interface(),), swap_mib=1, config_drive=True)
    here.driver.ensure_guest(made, threading.Event())
    here.driver.power_off(ONE, 0.0, threading.Event())
    write(here.root(), 65536, 77)

    here.driver.moves.hold(ONE, DIGEST, 0.0, threading.Event())
    here.driver.moves.hold(ONE, DIGEST, 0.0, threading.Event())
    assert here.guests() == {}
    with pytest.raises(VirtError, match="refuses"):
        there.driver.moves.bring(made, here.way("another token"), threading.Event())
    larger = there.hypervisor.spec(ONE, interfaces=(interface(),), swap_mib=2, root_gib=2, config_drive=True)
    for _ in range(2):
        there.driver.moves.bring(larger, here.way(), threading.Event())
    assert there.driver.moves.finish(larger, running=True, stop=threading.Event()) is PowerState.RUNNING

    assert there.guests() == {ONE: PowerState.RUNNING}
    assert pattern_is(there.root(), 65536, 77)
    there.driver.remove_guest(ONE)
    assert here.driver.moves.restore(ONE, running=True) is PowerState.RUNNING
    assert (here.guests(), there.guests()) == ({ONE: PowerState.RUNNING}, {})
    assert here.driver.moves.offer_of(ONE) is None


def test_a_resize_on_the_same_host_is_taken_back_with_the_disk_of_before(sides):
    here, _ = sides
    made = here.hypervisor.spec(ONE, interfaces=(interface(),))
    here.driver.ensure_guest(made, threading.Event())
    here.driver.moves.hold(ONE, None, 0.0, threading.Event())
    larger = here.hypervisor.spec(ONE, interfaces=(interface(),), root_gib=2)
    here.driver.moves.bring(larger, None, threading.Event())
    here.driver.moves.finish(larger, running=False, stop=threading.Event())
    write(here.root(), 65536, 78)

    assert here.driver.moves.restore(ONE, running=False) is PowerState.SHUTDOWN

    assert here.guests() == {ONE: PowerState.SHUTDOWN}
    assert not pattern_is(here.root(), 65536, 78)


def test_a_running_guest_goes_over_with_its_disks(sides):
    here, there = sides
    made = here.hypervisor.spec(ONE, interfaces=(interface(),), config_drive=True)
    here.driver.ensure_guest(made, threading.Event())
    here.driver.power_off(ONE, 0.0, threading.Event())
    write(here.root(), 65536, 79)
    here.driver.power_on(ONE)
    began = libvirt.open(here.libvirtd.uri).lookupByUUIDString(ONE)
    assert began.isActive()

    there.driver.live.prepare(
        there.hypervisor.spec(ONE, interfaces=(interface(),), config_drive=True), TOKEN, threading.Event()
    )
    here.driver.live.migrate(ONE, there.way(), threading.Event())

    assert there.driver.live.finish(ONE) is PowerState.RUNNING
    assert (here.guests(), there.guests()) == ({}, {ONE: PowerState.RUNNING})
    with pytest.raises(VirtError) as refused:
        here.driver.live.stay(ONE)
    assert refused.value.code == "moved"
    here.driver.remove_guest(ONE)
    there.driver.power_off(ONE, 0.0, threading.Event())
    assert pattern_is(there.root(), 65536, 79)
    assert there.driver.live.live_of(ONE) is None


def test_a_handing_over_that_is_stopped_leaves_the_guest_where_it_was(sides):
    here, there = sides
    here.driver.ensure_guest(here.hypervisor.spec(ONE, interfaces=(interface(),)), threading.Event())
    there.driver.live.prepare(there.hypervisor.spec(ONE, interfaces=(interface(),)), TOKEN, threading.Event())
    stop = threading.Event()
    stop.set()

    with pytest.raises((Stopped, VirtError)):
        here.driver.live.migrate(ONE, there.way(), stop)

    assert here.driver.live.stay(ONE) is PowerState.RUNNING
    there.driver.remove_guest(ONE)
    assert (here.guests(), there.guests()) == ({ONE: PowerState.RUNNING}, {})


def test_a_handing_over_to_a_libvirt_that_hangs_is_given_up_and_the_guest_stays(sides, monkeypatch):
    monkeypatch.setattr(live, "OBEYS_S", 3.0)
    here, there = sides
    here.driver.ensure_guest(here.hypervisor.spec(ONE, interfaces=(interface(),)), threading.Event())
    token = "a token of a third move"
    there.driver.live.prepare(there.hypervisor.spec(ONE, interfaces=(interface(),)), token, threading.Event())
    domain = libvirt.open(here.libvirtd.uri).lookupByUUIDString(ONE)
    stop = threading.Event()

    def hang():
        until = time.monotonic() + 60
        while domain.jobInfo()[0] == libvirt.VIR_DOMAIN_JOB_NONE and time.monotonic() < until:
            time.sleep(0.01)
        there.libvirtd.freeze()
        stop.set()

    breaks = threading.Thread(target=hang)
    breaks.start()
    try:
        with pytest.raises((Stopped, VirtError)):
            here.driver.live.migrate(ONE, there.way(token), stop)
        assert here.driver.live.stay(ONE) is PowerState.RUNNING
    finally:
        breaks.join()
        there.libvirtd.thaw()

    there.driver.remove_guest(ONE)
    assert (here.guests(), there.guests()) == ({ONE: PowerState.RUNNING}, {})


def test_a_handing_over_that_was_cut_is_begun_again_at_once(sides):
    here, there = sides
    here.driver.ensure_guest(here.hypervisor.spec(ONE, interfaces=(interface(),)), threading.Event())
    token = "a token of another move"
    there.driver.live.prepare(there.hypervisor.spec(ONE, interfaces=(interface(),)), token, threading.Event())
    stop = threading.Event()
    threading.Timer(0.6, stop.set).start()  # the target has its ports by then
    with contextlib.suppress(Stopped):
        here.driver.live.migrate(ONE, there.way(token), stop)

    here.driver.live.migrate(ONE, there.way(token), threading.Event())

    assert (here.guests(), there.guests()) == ({}, {ONE: PowerState.RUNNING})
