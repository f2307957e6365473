"""What every virt driver must do. A subclass's `hypervisor` fixture gives: driver, spec(server_id), again() -> a new driver on
the same guests (as after the daemon's restart), and kill(server_id): the guest's power is cut from outside."""

from __future__ import annotations

import dataclasses
import threading
import time

import pytest

from nova_lite.compute.virt.driver import Stopped, VirtError
from nova_lite.model.console import ConsoleKind
from nova_lite.model.guest import PowerState, Rescue
from nova_lite.model.image import ImageSource
from nova_lite.model.wire import to_plain

ONE = "11111111-2222-4333-8444-55555555aaaa"
TWO = "11111111-2222-4333-8444-55555555bbbb"
# For a hypervisor whose guests need none.
IMAGE = ImageSource(
    image_id="i", sha512="0" * 128, size_bytes=1, virtual_size_bytes=1, disk_format="raw", url="http://nowhere", ticket="t"
)


def go():
    return threading.Event()


def stopped():
    stop = threading.Event()
    stop.set()
    return stop


def powers(driver):
    return {guest.server_id: guest.power_state for guest in driver.list_guests()}


def macs(driver):
    """Give the MAC addresses of a running guest's cards."""
    return {nic.mac_address for nic in driver.diagnostics(ONE).nics}


def connected(driver, kind):
    made = driver.consoles.find(ONE, kind)()
    made.settimeout(20)
    return made


def at_end(connection):
    """Whether the other side ends it within the connection's time."""
    while connection.recv(4096):
        pass
    return True


class DriverContract:
    """The tests."""

    def test_facts_say_what_the_host_has(self, hypervisor):
        facts = hypervisor.driver.facts()

        assert facts.total.vcpus > 0 and facts.total.ram_mib > 0 and facts.total.disk_gib > 0
        assert facts.hypervisor_version > 0 and facts.architectures
        assert to_plain(facts)

    def test_a_guest_is_made_once_and_found_again(self, hypervisor):
        driver = hypervisor.driver

        first = driver.ensure_guest(hypervisor.spec(ONE), go())
        second = driver.ensure_guest(hypervisor.spec(ONE), go())

        assert (first, second) == (PowerState.RUNNING, PowerState.RUNNING)
        assert powers(driver) == {ONE: PowerState.RUNNING}

    def test_a_removed_guest_is_gone_and_may_be_removed_again(self, hypervisor):
        driver = hypervisor.driver
        driver.ensure_guest(hypervisor.spec(ONE), go())
        driver.ensure_guest(hypervisor.spec(TWO), go())

        driver.remove_guest(ONE)
        driver.remove_guest(ONE)

        assert powers(driver) == {TWO: PowerState.RUNNING}

    def test_what_never_was_is_removed_without_a_word(self, hypervisor):
        hypervisor.driver.remove_guest(ONE)

    def test_a_guest_can_be_made_again_after_its_removal(self, hypervisor):
        driver = hypervisor.driver
        driver.ensure_guest(hypervisor.spec(ONE), go())
        driver.remove_guest(ONE)

        assert driver.ensure_guest(hypervisor.spec(ONE), go()) is PowerState.RUNNING

    def test_guests_outlive_the_driver(self, hypervisor):
        hypervisor.driver.ensure_guest(hypervisor.spec(ONE), go())

        later = hypervisor.again()
        later.adopt()

        assert powers(later) == {ONE: PowerState.RUNNING}

    def test_a_guests_screen_speaks_rfb_and_ends_with_the_guest(self, hypervisor):
        hypervisor.driver.ensure_guest(hypervisor.spec(ONE), go())
        screen = connected(hypervisor.driver, ConsoleKind.VNC)
        other = connected(hypervisor.driver, ConsoleKind.VNC)

        with screen, other:
            assert (screen.recv(12), other.recv(12)) == (b"RFB 003.008\n", b"RFB 003.008\n")
            hypervisor.driver.remove_guest(ONE)
            assert at_end(screen) and at_end(other)

    def test_of_a_guests_serial_lines_the_newest_counts_and_ends_with_the_guest(self, hypervisor):
        hypervisor.driver.ensure_guest(hypervisor.spec(ONE), go())

        first, second = (connected(hypervisor.driver, ConsoleKind.SERIAL) for _ in range(2))
        with first, second:
            assert at_end(first)
            hypervisor.driver.power_off(ONE, 0.0, go())
            assert at_end(second)

    def test_there_is_no_console_of_a_guest_that_is_off_or_not_here(self, hypervisor):
        hypervisor.driver.ensure_guest(hypervisor.spec(ONE), go())
        hypervisor.driver.power_off(ONE, 0.0, go())

        assert [hypervisor.driver.consoles.find(ONE, kind) for kind in ConsoleKind] == [None, None]
        for kind in ConsoleKind:
            with pytest.raises(VirtError) as caught:
                hypervisor.driver.consoles.find(TWO, kind)
            assert caught.value.code == "no_guest"

    def test_power_goes_off_and_on_and_each_may_be_repeated(self, hypervisor):
        driver = hypervisor.driver
        driver.ensure_guest(hypervisor.spec(ONE), go())

        off = [driver.power_off(ONE, 0.0, go()), driver.power_off(ONE, 0.0, go())]
        listed_off = powers(driver)
        on = [driver.power_on(ONE), driver.power_on(ONE)]

        assert off == [PowerState.SHUTDOWN] * 2
        assert listed_off == {ONE: PowerState.SHUTDOWN}
        assert on == [PowerState.RUNNING] * 2
        assert powers(driver) == {ONE: PowerState.RUNNING}

    def test_a_guest_has_the_interfaces_that_it_is_to_have_and_keeps_them(self, hypervisor):
        driver, card, other = hypervisor.driver, hypervisor.interface(1), hypervisor.interface(2)
        driver.ensure_guest(hypervisor.spec(ONE), go())

        for _ in range(2):
            driver.interfaces.ensure(ONE, (card, other), go())
        assert macs(driver) == {card.mac_address, other.mac_address}
        driver.reboot(ONE, hard=True, graceful_s=0.0, stop=go())
        assert macs(driver) == {card.mac_address, other.mac_address}
        driver.power_off(ONE, 0.0, go())
        for _ in range(2):
            driver.interfaces.ensure(ONE, (other,), go())
        driver.power_on(ONE)

        assert macs(driver) == {other.mac_address}

    def test_interfaces_of_no_guest_are_no_ones(self, hypervisor):
        with pytest.raises(VirtError) as caught:
            hypervisor.driver.interfaces.ensure(ONE, (hypervisor.interface(1),), go())

        assert caught.value.code == "no_guest"

    def test_ensuring_a_guest_that_is_off_starts_it(self, hypervisor):
        driver = hypervisor.driver
        driver.ensure_guest(hypervisor.spec(ONE), go())
        driver.power_off(ONE, 0.0, go())

        assert driver.ensure_guest(hypervisor.spec(ONE), go()) is PowerState.RUNNING

    @pytest.mark.parametrize("hard", [True, False])
    def test_a_reboot_leaves_the_guest_running_whatever_it_was(self, hypervisor, hard):
        driver = hypervisor.driver
        driver.ensure_guest(hypervisor.spec(ONE), go())

        running = driver.reboot(ONE, hard=hard, graceful_s=1.0, stop=go())
        driver.power_off(ONE, 0.0, go())
        off = driver.reboot(ONE, hard=hard, graceful_s=1.0, stop=go())

        assert (running, off) == (PowerState.RUNNING, PowerState.RUNNING)

    @pytest.mark.parametrize(
        "act",
        [
            lambda driver: driver.power_on(ONE),
            lambda driver: driver.power_off(ONE, 0.0, go()),
            lambda driver: driver.reboot(ONE, hard=True, graceful_s=0.0, stop=go()),
            lambda driver: driver.console_output(ONE, None),
            lambda driver: driver.diagnostics(ONE),
            lambda driver: driver.renewal.unrescue(ONE, go(), on=True),
            lambda driver: driver.states.pause(ONE),
            lambda driver: driver.states.suspend(ONE),
            lambda driver: driver.states.set_password(ONE, None, "a"),
            lambda driver: driver.states.interrupt(ONE),
        ],
        ids=[
            "power_on",
            "power_off",
            "reboot",
            "console_output",
            "diagnostics",
            "unrescue",
            "pause",
            "suspend",
            "set_password",
            "interrupt",
        ],
    )
    def test_what_needs_a_guest_says_that_there_is_none(self, hypervisor, act):
        with pytest.raises(VirtError) as refusal:
            act(hypervisor.driver)

        assert (refusal.value.code, refusal.value.host_at_fault) == ("no_guest", False)

    @pytest.mark.parametrize("held", [PowerState.PAUSED, PowerState.SUSPENDED])
    def test_a_guest_is_held_once_and_goes_on(self, hypervisor, held):
        driver = hypervisor.driver
        driver.ensure_guest(hypervisor.spec(ONE), go())
        hold = driver.states.pause if held is PowerState.PAUSED else driver.states.suspend

        first, second = hold(ONE), hold(ONE)

        assert (first, second) == (held, held)
        assert powers(hypervisor.again()) == {ONE: held}
        assert driver.power_on(ONE) is PowerState.RUNNING
        assert driver.power_on(ONE) is PowerState.RUNNING
        assert powers(driver) == {ONE: PowerState.RUNNING}

    @pytest.mark.parametrize("held", [PowerState.PAUSED, PowerState.SUSPENDED])
    def test_what_is_held_can_be_turned_off_and_begins_anew(self, hypervisor, held):
        driver = hypervisor.driver
        driver.ensure_guest(hypervisor.spec(ONE), go())
        hold = driver.states.pause if held is PowerState.PAUSED else driver.states.suspend
        hold(ONE)

        assert driver.power_off(ONE, 0.0, go()) is PowerState.SHUTDOWN

        assert powers(driver) == {ONE: PowerState.SHUTDOWN}
        assert driver.power_on(ONE) is PowerState.RUNNING

    def test_a_suspended_guest_can_be_removed(self, hypervisor):
        driver = hypervisor.driver
        driver.ensure_guest(hypervisor.spec(ONE), go())
        driver.states.suspend(ONE)

        driver.remove_guest(ONE)

        assert powers(driver) == {}

    @pytest.mark.parametrize("method", ["pause", "suspend", "interrupt"])
    def test_a_guest_that_is_off_cannot_be_held_or_interrupted(self, hypervisor, method):
        driver = hypervisor.driver
        driver.ensure_guest(hypervisor.spec(ONE), go())
        driver.power_off(ONE, 0.0, go())

        with pytest.raises(VirtError) as refusal:
            getattr(driver.states, method)(ONE)

        assert (refusal.value.code, refusal.value.host_at_fault) == ("not_running", False)

    def test_a_running_guest_takes_an_interrupt(self, hypervisor):
        driver = hypervisor.driver
        driver.ensure_guest(hypervisor.spec(ONE), go())

        driver.states.interrupt(ONE)

        assert powers(driver) == {ONE: PowerState.RUNNING}

    @pytest.mark.parametrize("on", [True, False])
    def test_a_rebuilt_guest_is_as_it_was_asked_and_may_be_rebuilt_again(self, hypervisor, on):
        driver = hypervisor.driver
        driver.ensure_guest(hypervisor.spec(ONE), go())
        wanted = PowerState.RUNNING if on else PowerState.SHUTDOWN

        for keep in (False, True):
            driver.renewal.fetch(hypervisor.spec(ONE).image or IMAGE, go())
            assert driver.renewal.rebuild(hypervisor.spec(ONE), go(), on=on, keep_blanks=keep) is wanted

        assert powers(driver) == {ONE: wanted}
        assert driver.power_on(ONE) is PowerState.RUNNING

    def test_a_guest_that_is_gone_can_be_rebuilt(self, hypervisor):
        driver = hypervisor.driver

        assert driver.renewal.rebuild(hypervisor.spec(ONE), go(), on=True, keep_blanks=False) is PowerState.RUNNING

        assert powers(driver) == {ONE: PowerState.RUNNING}

    @pytest.mark.parametrize("device", [None, "disk", "cdrom"])
    @pytest.mark.parametrize("on", [True, False])
    def test_a_guest_is_rescued_and_is_as_before(self, hypervisor, device, on):
        driver, spec = hypervisor.driver, hypervisor.spec(ONE)
        driver.ensure_guest(spec, go())
        rescued = dataclasses.replace(spec, rescue=Rescue(image=spec.image or IMAGE, device=device))

        for _ in range(2):
            assert driver.renewal.rescue(rescued, go()) is PowerState.RUNNING
        assert powers(driver) == {ONE: PowerState.RUNNING}
        after = [driver.renewal.unrescue(ONE, go(), on=on) for _ in range(2)]

        assert after == [PowerState.RUNNING if on else PowerState.SHUTDOWN] * 2
        assert driver.power_on(ONE) is PowerState.RUNNING

    def test_a_guest_that_was_turned_off_in_rescue_starts_from_its_own_disks(self, hypervisor):
        driver, spec = hypervisor.driver, hypervisor.spec(ONE)
        driver.ensure_guest(spec, go())
        driver.renewal.rescue(dataclasses.replace(spec, rescue=Rescue(image=spec.image or IMAGE)), go())
        driver.power_off(ONE, 0.0, go())

        assert driver.power_on(ONE) is PowerState.RUNNING

        assert driver.renewal.unrescue(ONE, go(), on=False) is PowerState.RUNNING, "it is not rescued any more"

    def test_what_is_not_rescued_is_left_alone(self, hypervisor):
        driver = hypervisor.driver
        driver.ensure_guest(hypervisor.spec(ONE), go())

        assert driver.renewal.unrescue(ONE, go(), on=False) is PowerState.RUNNING

    def test_work_that_is_stopped_at_once_leaves_nothing_running(self, hypervisor):
        with pytest.raises(Stopped):
            hypervisor.driver.ensure_guest(hypervisor.spec(ONE), stopped())

        hypervisor.driver.remove_guest(ONE)
        assert powers(hypervisor.driver) == {}

    def test_the_console_is_bytes(self, hypervisor):
        hypervisor.driver.ensure_guest(hypervisor.spec(ONE), go())

        assert isinstance(hypervisor.driver.console_output(ONE, 5), bytes)

    def test_a_running_guest_tells_what_it_uses(self, hypervisor):
        spec = hypervisor.spec(ONE)
        hypervisor.driver.ensure_guest(spec, go())

        found = hypervisor.driver.diagnostics(ONE)

        assert (found.memory_mib, len(found.cpus)) == (spec.ram_mib, spec.vcpus)
        assert found.disks[0].device == "vda"
        assert [nic.mac_address for nic in found.nics] == [one.mac_address for one in spec.interfaces]

    def test_an_image_is_here_before_its_guest(self, hypervisor):
        driver, spec = hypervisor.driver, hypervisor.spec(ONE)
        if spec.image is None:
            pytest.skip("guests of this driver boot without an image")

        driver.cache_image(spec.image, go())
        driver.cache_image(spec.image, go())

        assert driver.list_guests() == ()
        assert driver.ensure_guest(spec, go()) is PowerState.RUNNING

    def test_a_guest_that_is_off_tells_nothing(self, hypervisor):
        hypervisor.driver.ensure_guest(hypervisor.spec(ONE), go())
        hypervisor.driver.power_off(ONE, 0.0, go())

        assert hypervisor.driver.diagnostics(ONE) is None

    def test_a_power_change_from_outside_is_told(self, hypervisor):
        told, came = [], threading.Event()

        def listener(server_id, power_state):
            told.append((server_id, power_state))
            if power_state is not PowerState.RUNNING:
                came.set()

        hypervisor.driver.listen(listener)
        hypervisor.driver.ensure_guest(hypervisor.spec(ONE), go())

        hypervisor.kill(ONE)

        assert came.wait(15)
        assert told[-1][0] == ONE
        assert told[-1][1] in (PowerState.SHUTDOWN, PowerState.CRASHED)

    def test_guests_are_made_side_by_side(self, hypervisor):
        ids = [f"11111111-2222-4333-8444-5555555500{number:02d}" for number in range(4)]
        ends = []
        threads = [
            threading.Thread(target=lambda one=one: ends.append(hypervisor.driver.ensure_guest(hypervisor.spec(one), go())))
            for one in ids
        ]

        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)

        assert ends == [PowerState.RUNNING] * 4
        assert sorted(powers(hypervisor.driver)) == ids
        began = time.monotonic()
        for one in ids:
            hypervisor.driver.remove_guest(one)
        assert time.monotonic() - began < 60
