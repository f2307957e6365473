"""What every driver's snapshots must do; for classes that have the `hypervisor` of the driver contract."""

from __future__ import annotations

import pytest
from unit.compute.virt.driver_contract import ONE, go, powers, stopped

from nova_lite import errors
from nova_lite.compute.virt.driver import Stopped, VirtError
from nova_lite.image.client import Stopped as SendingStopped
from nova_lite.image.inspect import Inspection
from nova_lite.model.guest import PowerState
from nova_lite.model.image import ImageTarget
from nova_lite.rpc.commands import Quiesce

TARGET = ImageTarget(image_id="i", url="http://127.0.0.1/none", ticket="secret")


class Sink:
    """Takes what is sent; `error`: what the image service says instead."""

    def __init__(self, driver, error=None):
        self.images = []
        self.error = error
        driver.snapshots.send = self.send

    def send(self, target, content, stop):
        assert target == TARGET
        data = b"".join(content.pieces())
        assert len(data) == content.size_bytes
        if self.error is not None:
            raise self.error
        self.images.append(data)


def is_flat_qcow2(image):
    inspection = Inspection("qcow2", "bare")  # refuses backing files
    inspection.feed(image)
    return inspection.finish().virtual_size_bytes > 0


class SnapshotContract:
    """The tests."""

    def test_a_running_guest_is_sent_flat_and_goes_on(self, hypervisor):
        driver = hypervisor.driver
        driver.ensure_guest(hypervisor.spec(ONE), go())
        sink = Sink(driver)

        driver.snapshots.take(ONE, Quiesce.NO, go())
        driver.snapshots.take(ONE, Quiesce.NO, go())
        driver.snapshots.upload(ONE, TARGET, Quiesce.NO, go())

        (image,) = sink.images
        assert is_flat_qcow2(image)
        assert powers(driver) == {ONE: PowerState.RUNNING}
        assert not hypervisor.held(ONE)

    def test_a_guest_that_is_off_is_sent_and_stays_off(self, hypervisor):
        driver = hypervisor.driver
        driver.ensure_guest(hypervisor.spec(ONE), go())
        driver.power_off(ONE, 0.0, go())
        sink = Sink(driver)

        driver.snapshots.take(ONE, Quiesce.NO, go())
        driver.snapshots.upload(ONE, TARGET, Quiesce.NO, go())

        assert is_flat_qcow2(sink.images[0])
        assert powers(driver) == {ONE: PowerState.SHUTDOWN}
        assert not hypervisor.held(ONE)

    def test_the_daemons_restart_between_the_two_is_no_matter(self, hypervisor):
        hypervisor.driver.ensure_guest(hypervisor.spec(ONE), go())
        hypervisor.driver.snapshots.take(ONE, Quiesce.NO, go())

        later = hypervisor.again()
        later.adopt()
        sink = Sink(later)
        later.snapshots.upload(ONE, TARGET, Quiesce.NO, go())

        assert is_flat_qcow2(sink.images[0])
        assert not hypervisor.held(ONE)

    def test_what_is_held_is_let_go_and_may_be_again(self, hypervisor):
        driver = hypervisor.driver
        driver.ensure_guest(hypervisor.spec(ONE), go())
        driver.snapshots.take(ONE, Quiesce.NO, go())

        driver.snapshots.release(ONE)
        driver.snapshots.release(ONE)

        assert not hypervisor.held(ONE)
        assert powers(driver) == {ONE: PowerState.RUNNING}

    @pytest.mark.parametrize(
        ("error", "code"),
        [(errors.InsufficientStorage("full"), "insufficient_storage"), (errors.Gone("gone"), "gone")],
        ids=["full", "gone"],
    )
    def test_what_the_image_service_says_is_said_and_nothing_stays_held(self, hypervisor, error, code):
        driver = hypervisor.driver
        driver.ensure_guest(hypervisor.spec(ONE), go())
        Sink(driver, error)
        driver.snapshots.take(ONE, Quiesce.NO, go())

        with pytest.raises(VirtError) as caught:
            driver.snapshots.upload(ONE, TARGET, Quiesce.NO, go())

        assert (caught.value.code, caught.value.message, caught.value.host_at_fault) == (code, error.message, False)
        assert not hypervisor.held(ONE)

    def test_an_upload_that_is_stopped_leaves_nothing_held(self, hypervisor):
        driver = hypervisor.driver
        driver.ensure_guest(hypervisor.spec(ONE), go())
        Sink(driver, SendingStopped())
        driver.snapshots.take(ONE, Quiesce.NO, go())

        with pytest.raises(Stopped):
            driver.snapshots.upload(ONE, TARGET, Quiesce.NO, go())

        assert not hypervisor.held(ONE)

    def test_a_stop_before_it_is_held_holds_nothing(self, hypervisor):
        driver = hypervisor.driver
        driver.ensure_guest(hypervisor.spec(ONE), go())

        with pytest.raises(Stopped):
            driver.snapshots.take(ONE, Quiesce.NO, stopped())

        assert not hypervisor.held(ONE)

    def test_a_guest_that_is_not_there_cannot_be_held_but_let_go(self, hypervisor):
        hypervisor.driver.snapshots.release(ONE)

        with pytest.raises(VirtError) as caught:
            hypervisor.driver.snapshots.take(ONE, Quiesce.NO, go())

        assert caught.value.code == "no_guest"
