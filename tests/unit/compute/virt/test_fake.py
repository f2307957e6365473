"""The fake hypervisor keeps the contract, and has mishaps when it is told to."""

from __future__ import annotations

import json
import threading
import time

import pytest
from unit.compute.stage import numbered_interface, spec
from unit.compute.virt.driver_contract import ONE, DriverContract, go
from unit.compute.virt.snapshot_contract import SnapshotContract

from nova_lite.compute.virt.driver import Stopped, VirtError
from nova_lite.compute.virt.fake.driver import FakeDriver


class Hypervisor:
    def __init__(self, folder):
        self.folder = folder
        self.driver = FakeDriver(folder, "h1")

    def spec(self, server_id):
        return spec(server_id)

    def interface(self, number):
        return numbered_interface(number)

    def again(self):
        return FakeDriver(self.folder, "h1")

    def kill(self, server_id):
        self.driver.crash(server_id)

    def held(self, server_id):
        return self.again().snapshots.held(server_id)

    def behave(self, wanted):
        (self.folder / "behaviour.json").write_text(json.dumps(wanted))


@pytest.fixture
def hypervisor(tmp_path):
    return Hypervisor(tmp_path)


class TestFakeDriver(DriverContract):
    """The contract."""


class TestFakeSnapshots(SnapshotContract):
    """Theirs."""


def test_a_failure_comes_as_often_as_is_wanted(hypervisor):
    hypervisor.behave({"ensure_guest": {"fail": {"message": "no luck", "host_at_fault": False, "times": 2}}})

    for _ in range(2):
        with pytest.raises(VirtError, match="no luck") as failure:
            hypervisor.driver.ensure_guest(spec(ONE), go())
        assert not failure.value.host_at_fault

    hypervisor.driver.ensure_guest(spec(ONE), go())


def test_a_delay_ends_when_the_work_is_stopped(hypervisor):
    hypervisor.behave({"ensure_guest": {"delay_s": 60}})
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    began = time.monotonic()

    with pytest.raises(Stopped):
        hypervisor.driver.ensure_guest(spec(ONE), stop)

    assert time.monotonic() - began < 10


def test_the_size_of_the_host_may_be_set(hypervisor):
    hypervisor.behave({"facts": {"vcpus": 2, "ram_mib": 1024}})

    total = hypervisor.driver.facts().total

    assert (total.vcpus, total.ram_mib, total.disk_gib) == (2, 1024, 2048)


def test_half_written_wishes_change_nothing(hypervisor):
    hypervisor.behave({"facts": {"vcpus": 2}})
    hypervisor.driver.facts()
    (hypervisor.folder / "behaviour.json").write_text('{"facts": {"vc')

    assert hypervisor.driver.facts().total.vcpus == 2
