"""The clockwork: what is sent when, and what a host does when it is out of touch."""

from __future__ import annotations

import threading

import pytest
from unit.compute.stage import HOST, SERVER, spec

from nova_lite import errors
from nova_lite.clock import SimulatedClock
from nova_lite.compute.crew import Crew
from nova_lite.compute.ledger import Ledger
from nova_lite.compute.monitor import Monitor, MonitorParts
from nova_lite.compute.reports import Outbox
from nova_lite.compute.virt.driver import VirtError
from nova_lite.compute.virt.fake.driver import FakeDriver
from nova_lite.model.guest import PowerState
from nova_lite.rpc.conductor import Heartbeat, PowerChange, Registration


class Line:
    """The broker as the host sees it: conductor, own queue and listener in one."""

    def __init__(self):
        self.said, self.tests, self.restarts = [], [], 0
        self.away = self.deaf = False
        self.monitor = None

    def register(self, message):
        self._say(message)

    heartbeat = report = power_changed = tombstone_done = register

    def cast(self, address, method, body, envelope=None):
        if self.away:
            raise errors.Unavailable
        self.tests.append(body)
        if not self.deaf:
            self.monitor.heard_itself(body["number"])

    def wait_ready(self, timeout_s):
        return True

    def restart(self):
        self.restarts += 1

    def of(self, kind):
        return [message for message in self.said if isinstance(message, kind)]

    def _say(self, message):
        if self.away:
            raise errors.Unavailable
        self.said.append(message)


class Rig:
    def __init__(self, folder, **more):
        self.clock = SimulatedClock()
        self.line = Line()
        self.driver = FakeDriver(folder, HOST)
        ledger = Ledger(folder / "ledger.db", self.clock)
        self.crew = Crew(self.clock)
        self.monitor = Monitor(
            MonitorParts(
                host=HOST,
                driver=self.driver,
                conductor=self.line,
                transport=self.line,
                outbox=Outbox(ledger, self.line, self.clock),
                crew=self.crew,
                clock=self.clock,
                **more,
            )
        )
        self.line.monitor = self.monitor
        self.monitor._hearing.listener = self.line
        self.driver.listen(self.monitor.power_changed)

    def pass_time(self, seconds):
        until = self.clock.now + seconds
        while True:
            pause = self.monitor.tick()
            if self.clock.now + pause > until:
                self.clock.now = until
                return
            self.clock.now += max(pause, 0.01)

    def welcome(self, incarnation=1):
        self.pass_time(0.1)
        assert self.monitor.welcomed(self.line.of(Registration)[-1].nonce, incarnation)
        self.pass_time(0.1)  # the first heartbeat
        self.line.said.clear()


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path)


def test_a_host_registers_with_a_new_nonce_each_time_until_it_is_welcomed(rig):
    rig.pass_time(20)

    sent = rig.line.of(Registration)
    assert len(sent) == 4  # at 0, 2, 6 and 14 seconds
    assert len({one.nonce for one in sent}) == 4

    assert rig.monitor.welcomed(sent[-1].nonce, 7)
    rig.line.said.clear()
    rig.pass_time(120)
    assert rig.line.of(Registration) == []
    assert rig.monitor.knows(7) and not rig.monitor.knows(6)


def test_the_answer_to_an_earlier_registration_is_not_followed(rig):
    rig.pass_time(3)
    first, last = rig.line.of(Registration)

    assert not rig.monitor.welcomed(first.nonce, 1)
    assert rig.monitor.welcomed(last.nonce, 2)
    assert not rig.monitor.welcomed(last.nonce, 2)
    assert rig.monitor.knows(2)


def test_an_earlier_registration_that_was_counted_later_makes_the_host_register_again(rig):
    rig.pass_time(3)
    first, last = rig.line.of(Registration)
    rig.monitor.welcomed(last.nonce, 1)

    rig.monitor.welcomed(first.nonce, 2)
    rig.pass_time(0.1)

    assert len(rig.line.of(Registration)) == 3


def test_an_old_welcome_that_comes_again_does_not_end_a_new_registration(rig):
    rig.pass_time(0.1)
    nonce = rig.line.of(Registration)[0].nonce
    rig.monitor.welcomed(nonce, 1)
    rig.monitor.welcomed("", 0)

    assert not rig.monitor.welcomed(nonce, 1)
    rig.pass_time(0.1)
    assert len(rig.line.of(Registration)) == 2


def test_a_welcome_of_a_stranger_is_ignored(rig):
    rig.pass_time(0.1)

    assert not rig.monitor.welcomed("never sent", 5)
    assert not rig.monitor.knows(5)


def test_a_welcome_without_a_nonce_asks_to_register_again(rig):
    rig.welcome()

    assert not rig.monitor.welcomed("", 0)
    rig.pass_time(0.1)

    assert len(rig.line.of(Registration)) == 1
    assert rig.monitor.knows(1)


def test_the_first_heartbeat_comes_with_the_welcome_and_each_incarnation_counts_its_looks_anew(rig):
    rig.pass_time(0.1)
    assert rig.line.of(Registration)[0].counts_looks
    for incarnation in (1, 2):
        assert rig.monitor.welcomed(rig.line.of(Registration)[-1].nonce, incarnation)
        rig.pass_time(0.1)
        rig.pass_time(15)
        rig.monitor.welcomed("", 0)
        rig.pass_time(0.1)

    beats = rig.line.of(Heartbeat)
    assert [(beat.incarnation, beat.look) for beat in beats] == [(1, 1), (1, 2), (2, 1), (2, 2)]


def test_a_look_has_the_number_of_its_beginning(rig):
    rig.driver.ensure_guest(spec(), threading.Event())
    rig.welcome()
    rig.driver.crash(SERVER)  # told to us before the next look, sent after it
    rig.monitor._chores["power"].due = float("inf")
    rig.monitor.hurry("beat")
    rig.monitor._known.clear()
    rig.monitor.tick()
    rig.monitor._known.clear()
    rig.monitor.hurry("power")
    rig.monitor.tick()

    beat, change = rig.line.said
    assert isinstance(beat, Heartbeat) and isinstance(change, PowerChange)
    assert change.look < beat.look


def test_a_welcomed_host_beats_every_15_seconds(rig):
    rig.welcome(3)

    rig.pass_time(60)

    beats = rig.line.of(Heartbeat)
    assert len(beats) == 4
    assert {beat.incarnation for beat in beats} == {3}
    assert {beat.facts for beat in beats} == {None}


def test_an_idle_host_sends_no_more_than_one_message_in_five_seconds(rig):
    rig.welcome()
    rig.line.tests.clear()

    rig.pass_time(600)

    assert len(rig.line.said) + len(rig.line.tests) <= 0.2 * 600


def test_facts_are_told_when_they_changed_and_only_then(rig, tmp_path):
    rig.welcome()
    (tmp_path / "behaviour.json").write_text('{"facts": {"vcpus": 3}}')

    rig.pass_time(31)

    told = [beat.facts for beat in rig.line.of(Heartbeat)]
    assert [facts and facts.total.vcpus for facts in told] == [3, None]


def test_a_host_that_was_out_of_touch_registers_again(rig):
    rig.welcome()
    rig.line.away = True
    rig.pass_time(50)
    rig.line.away = False

    rig.pass_time(5)

    assert len(rig.line.of(Registration)) >= 1


def test_a_short_outage_of_the_broker_is_no_reason_to_register_again(rig):
    rig.welcome()
    rig.line.away = True
    rig.pass_time(20)
    rig.line.away = False

    rig.pass_time(20)

    assert rig.line.of(Registration) == []
    assert rig.line.of(Heartbeat)


def test_a_host_says_nothing_while_its_hypervisor_does_not_answer(rig, tmp_path):
    rig.welcome()
    (tmp_path / "behaviour.json").write_text('{"list_guests": {"fail": {"code": "unavailable"}}}')

    rig.pass_time(60)

    assert rig.line.said == []


def test_a_host_that_hears_itself_leaves_its_listener_alone(rig):
    rig.welcome()

    rig.pass_time(100)

    assert 11 <= len(rig.line.tests) <= 14
    assert rig.line.restarts == 0


def test_a_deaf_host_listens_anew(rig):
    rig.welcome()
    rig.pass_time(20)
    rig.line.deaf = True
    rig.pass_time(13)
    rig.line.deaf = False
    rig.pass_time(5)  # the last test of the deaf time is looked at
    after_deafness = rig.line.restarts

    rig.pass_time(60)

    assert after_deafness >= 1
    assert rig.line.restarts == after_deafness


def test_a_broker_that_is_away_is_not_deafness(rig):
    rig.welcome()
    rig.pass_time(20)
    rig.line.away = True

    rig.pass_time(30)

    assert rig.line.restarts == 0


def test_a_power_change_is_told_once(rig):
    rig.driver.ensure_guest(spec(), threading.Event())
    rig.welcome()

    rig.driver.crash(SERVER)
    rig.driver.crash(SERVER)
    rig.pass_time(0.1)

    assert [change.power_state for change in rig.line.of(PowerChange)] == [PowerState.CRASHED]


def test_what_must_come_before_registering_is_tried_until_it_works(rig):
    tries = []

    def prepare():
        tries.append(rig.clock.now)
        if len(tries) < 3:
            raise VirtError("not yet")

    rig.monitor.before_registering(prepare)
    rig.pass_time(3)
    before = len(rig.line.of(Registration))
    rig.pass_time(2)

    assert before == 0
    assert len(tries) == 3
    assert len(rig.line.of(Registration)) == 1


def test_a_host_is_not_alive_before_its_clockwork_runs(rig):
    assert not rig.monitor.alive()


def test_a_host_whose_hypervisor_fails_for_long_is_not_alive(rig, tmp_path):
    rig.monitor.start(rig.line)
    try:
        assert rig.monitor.alive()
        rig.clock.now += 200
        rig.monitor._last_tick = rig.clock.now

        assert not rig.monitor.alive()
    finally:
        rig.monitor.stop()
