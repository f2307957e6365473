"""Commands in, reports out: the rules of ENGINE.md as a host keeps them."""

from __future__ import annotations

import concurrent.futures
import json
import threading
import time

import pytest
from unit.compute.stage import HOST, OTHER, SERVER, head, wait_until

from nova_lite import errors, metrics
from nova_lite.compute.crew import BUILDERS, HANDS
from nova_lite.compute.effort import count_image
from nova_lite.compute.service import QUESTIONS
from nova_lite.model.guest import PowerState
from nova_lite.model.image import ImageTarget
from nova_lite.rpc.commands import Power, UploadSnapshot
from nova_lite.rpc.compute import GetConsoleOutput, GetDiagnostics, Tombstone, Welcome
from nova_lite.rpc.conductor import PowerChange, Registration, Report, TombstoneDone


def settle():
    time.sleep(0.15)


def test_a_command_is_carried_out_and_reported_with_its_pair_and_attempt(stage):
    stage.welcomed().ensure(head(fence=3, turn=7, attempt=2))

    report = stage.conductor.wait_for(Report)[0]

    assert (report.fence, report.turn, report.attempt, report.step) == (3, 7, 2, "start_guest")
    assert report.fault is None
    assert report.power_state is PowerState.RUNNING
    assert stage.guests() == {SERVER: PowerState.RUNNING}


def test_a_command_that_comes_twice_is_done_once_and_reported_again(stage):
    stage.welcomed().ensure()
    stage.conductor.wait_for(Report)
    stage.reboot(head(step="reboot_guest", turn=2))
    stage.conductor.wait_for(Report, 2)

    stage.reboot(head(step="reboot_guest", turn=2, fence=2, attempt=2))
    again = stage.conductor.wait_for(Report, 3)[2]

    assert stage.driver.boots(SERVER) == 2
    assert (again.fence, again.attempt) == (2, 2)


@pytest.mark.parametrize(("fetched", "told"), [(0, None), (4096, 4096)])
def test_a_power_step_tells_what_it_fetched_of_an_image_but_not_that_the_image_was_there(stage, monkeypatch, fetched, told):
    stage.welcomed().ensure()
    stage.conductor.wait_for(Report)
    reboot = stage.driver.reboot

    def made_anew(*words, **more):
        count_image(fetched)
        return reboot(*words, **more)

    monkeypatch.setattr(stage.driver, "reboot", made_anew)
    stage.reboot(head(step="reboot_guest", turn=2))

    assert stage.conductor.wait_for(Report, 2)[1].image_bytes == told


def refused(reason):
    return metrics.COMMANDS_REFUSED.labels(reason)._value.get()


def test_a_late_command_is_refused_and_counted(stage):
    before = refused("late")
    stage.welcomed().remove(head(unwinding=True, turn=2))
    stage.conductor.wait_for(Report)

    stage.ensure(head(turn=1))
    settle()

    assert stage.guests() == {}
    assert len(stage.conductor.of(Report)) == 1
    assert refused("late") == before + 1


def test_the_same_pair_for_another_step_is_refused(stage):
    stage.welcomed().ensure(head(turn=1))
    stage.conductor.wait_for(Report)

    stage.remove(head(turn=1, unwinding=True))
    settle()

    assert stage.guests() == {SERVER: PowerState.RUNNING}


def test_a_command_of_another_incarnation_is_refused_and_counted(stage):
    before = refused("incarnation")
    stage.welcomed().ensure(head(incarnation=0))
    settle()

    assert stage.guests() == {}
    assert refused("incarnation") == before + 1


def test_a_command_of_a_newer_incarnation_makes_the_host_register_again(stage):
    stage.welcomed().ensure(head(incarnation=9))

    assert len(stage.conductor.wait_for(Registration, 2)) == 2
    assert stage.guests() == {}


def test_a_removal_stops_the_building_of_its_server(stage):
    stage.behave('{"ensure_guest": {"delay_s": 60}}')
    stage.welcomed().ensure(head(turn=1))
    wait_until(lambda: stage.host.crew.is_busy(SERVER))

    stage.remove(head(turn=2, unwinding=True))
    reports = stage.conductor.wait_for(Report)

    assert [report.unwinding for report in reports] == [True]
    assert stage.guests() == {}


def test_a_higher_pair_of_the_same_step_joins_the_work_in_progress(stage):
    stage.behave('{"ensure_guest": {"delay_s": 0.5}}')
    stage.welcomed().ensure(head(fence=1))
    wait_until(lambda: stage.host.crew.is_busy(SERVER))

    stage.ensure(head(fence=2, attempt=3))
    reports = stage.conductor.wait_for(Report)
    settle()

    assert [(report.fence, report.attempt) for report in stage.conductor.of(Report)] == [(2, 3)]
    assert stage.driver.boots(SERVER) == 1
    assert reports[0].fault is None


def test_a_fault_is_answered_again_for_its_attempt_and_tried_anew_for_the_next(stage):
    stage.behave('{"ensure_guest": {"fail": {"message": "no luck", "host_at_fault": false, "times": 1}}}')
    stage.welcomed().ensure(head(fence=1))
    first = stage.conductor.wait_for(Report)[0]

    stage.ensure(head(fence=2))
    same = stage.conductor.wait_for(Report, 2)[1]
    stage.ensure(head(fence=3, attempt=2))
    anew = stage.conductor.wait_for(Report, 3)[2]

    assert (first.fault.message, first.fault.host_at_fault) == ("no luck", False)
    assert same.fault == first.fault
    assert anew.fault is None


def test_work_whose_time_is_over_is_reported_as_the_hosts_fault(stage):
    stage.behave('{"ensure_guest": {"delay_s": 60}}')
    stage.welcomed().ensure(head(time_left_s=0.2))
    wait_until(lambda: stage.host.crew.is_busy(SERVER))

    time.sleep(0.3)
    stage.host.crew.expire()

    fault = stage.conductor.wait_for(Report)[0].fault
    assert (fault.code, fault.host_at_fault) == ("timeout", True)


def test_an_error_of_ours_is_reported_too(stage):
    def broken(spec, stop):
        raise ZeroDivisionError

    stage.driver.ensure_guest = broken
    stage.welcomed().ensure()

    fault = stage.conductor.wait_for(Report)[0].fault
    assert (fault.code, fault.host_at_fault) == ("internal", True)


def test_power_goes_off_and_on(stage):
    stage.welcomed().ensure()
    stage.conductor.wait_for(Report)

    stage.power(head(step="power_off", turn=2), Power.OFF)
    off = stage.conductor.wait_for(Report, 2)[1]
    stage.power(head(step="power_on", turn=3), Power.ON)
    on = stage.conductor.wait_for(Report, 3)[2]

    assert off.power_state is PowerState.SHUTDOWN
    assert on.power_state is PowerState.RUNNING


def test_a_report_is_repeated_with_the_same_id_until_it_is_acknowledged(stage):
    stage.conductor.acknowledges = False
    stage.welcomed().ensure()

    first, second = stage.conductor.wait_for(Report, 2)[:2]
    stage.send.ack_report(HOST, first.id)
    wait_until(lambda: len(stage.host.outbox) == 0)

    assert first.id == second.id


def test_a_report_outlives_the_daemon(stage):
    stage.conductor.acknowledges = False
    stage.welcomed().ensure()
    first = stage.conductor.wait_for(Report)[0]
    stage.stop()
    stage.conductor.said.clear()

    stage.start()
    again = stage.conductor.wait_for(Report)[0]

    assert again == first


def test_a_removal_that_is_owed_is_done_and_told(stage):
    stage.welcomed().ensure(head(fence=1))
    stage.conductor.wait_for(Report)
    stage.stop()
    stage.conductor.owed = (Tombstone(server_id=SERVER, fence=2, turn=1),)

    stage.start()
    done = stage.conductor.wait_for(TombstoneDone)[0]

    assert stage.guests() == {}
    assert (done.server_id, done.fence, done.turn) == (SERVER, 2, 1)
    wait_until(lambda: len(stage.host.outbox) == 0)


def test_a_host_that_is_reminded_of_a_removal_does_it_without_registering_again(stage):
    stage.welcomed().ensure(head(fence=1))
    stage.conductor.wait_for(Report)

    stage.send.welcome(HOST, Welcome(nonce="", incarnation=1, tombstones=(Tombstone(server_id=SERVER, fence=2, turn=1),)))
    stage.conductor.wait_for(TombstoneDone)

    assert stage.guests() == {}
    assert len(stage.conductor.of(Registration)) == 1


@pytest.mark.parametrize("refused", [None, 1])
def test_a_host_that_is_asked_to_register_again_does(stage, refused):
    stage.welcomed()

    stage.send.welcome(HOST, Welcome(nonce="", incarnation=0, refused=refused))

    stage.conductor.wait_for(Registration, 2)


def test_a_host_that_has_registered_since_its_refused_heartbeat_does_not_register_once_more(stage):
    stage.welcomed()

    stage.send.welcome(HOST, Welcome(nonce="", incarnation=0, refused=0))
    settle()

    assert len(stage.conductor.of(Registration)) == 1


def test_a_tombstone_spares_a_guest_made_under_a_higher_pair(stage):
    stage.welcomed().ensure(head(fence=3))
    stage.conductor.wait_for(Report)
    stage.stop()
    stage.conductor.owed = (Tombstone(server_id=SERVER, fence=2, turn=9),)

    stage.start()
    stage.conductor.wait_for(TombstoneDone)

    assert stage.guests() == {SERVER: PowerState.RUNNING}


def test_new_guests_wait_until_nothing_is_owed(stage):
    stage.welcomed().ensure(head(fence=1))
    stage.conductor.wait_for(Report)
    stage.stop()
    stage.behave('{"remove_guest": {"fail": {"message": "busy"}}}')
    stage.conductor.owed = (Tombstone(server_id=SERVER, fence=2, turn=1),)
    stage.start()
    wait_until(lambda: stage.host.service._owed)

    stage.ensure(head(OTHER, incarnation=2))
    settle()
    assert OTHER not in stage.guests()
    stage.behave("{}")
    stage.host.service.obey_tombstones()

    wait_until(lambda: set(stage.guests()) == {OTHER})


def test_a_guest_that_crashes_is_told_of_but_not_what_a_command_does(stage):
    stage.welcomed().ensure()
    stage.conductor.wait_for(Report)
    stage.power(head(step="power_off", turn=2), Power.OFF)
    stage.conductor.wait_for(Report, 2)
    stage.power(head(step="power_on", turn=3), Power.ON)
    stage.conductor.wait_for(Report, 3)

    stage.driver.crash(SERVER)

    changes = stage.conductor.wait_for(PowerChange)
    assert [change.power_state for change in changes] == [PowerState.CRASHED]


def test_the_console_is_read_by_lines(stage):
    stage.welcomed().ensure()
    stage.conductor.wait_for(Report)

    output = stage.send.get_console_output(HOST, GetConsoleOutput(server_id=SERVER, lines=1))

    assert output == "web login: \n"


def test_the_console_of_no_guest_is_not_found(stage):
    stage.welcomed()

    with pytest.raises(errors.NotFound):
        stage.send.get_console_output(HOST, GetConsoleOutput(server_id=SERVER))


def test_what_a_guest_uses_is_told_while_it_runs(stage):
    stage.welcomed().ensure()
    stage.conductor.wait_for(Report)

    found = stage.send.get_diagnostics(HOST, GetDiagnostics(server_id=SERVER))

    assert (found.driver, found.hypervisor, found.memory_mib > 0) == ("libvirt", "fake", True)


def test_a_guest_that_is_off_uses_nothing_that_could_be_told(stage):
    stage.welcomed().ensure()
    stage.conductor.wait_for(Report)
    stage.driver.power_off(SERVER, 0.0, threading.Event())

    with pytest.raises(errors.Conflict):
        stage.send.get_diagnostics(HOST, GetDiagnostics(server_id=SERVER))


def test_what_no_guest_uses_is_not_found(stage):
    stage.welcomed()

    with pytest.raises(errors.NotFound):
        stage.send.get_diagnostics(HOST, GetDiagnostics(server_id=SERVER))


def test_a_host_tells_how_long_it_is_up(stage):
    stage.welcomed()

    assert " up " in stage.send.get_uptime(HOST)


def test_many_guests_are_built_at_once_and_each_is_reported(stage):
    stage.behave('{"ensure_guest": {"delay_s": 0.05}}')
    ids = [f"{number:08d}-2222-4333-8444-555555555555" for number in range(20)]
    stage.welcomed()

    for server_id in ids:
        stage.ensure(head(server_id))
    stage.conductor.wait_for(Report, 20)

    assert sorted(stage.guests()) == ids


def test_many_disks_that_are_sent_hold_up_nothing_else(stage):
    stage.welcomed().ensure()
    stage.conductor.wait_for(Report)
    stage.behave('{"upload_snapshot": {"delay_s": 60}}')
    target = ImageTarget(image_id="i", url="http://127.0.0.1/none", ticket="secret")
    for number in range(HANDS + 1):
        order = head(f"{number:08d}-2222-4333-8444-555555555555", step="upload")
        stage.send.order(HOST, UploadSnapshot(head=order, target=target))

    stage.power(head(step="power_off", turn=2), Power.OFF)

    assert stage.conductor.wait_for(Report, 2)[1].power_state is PowerState.SHUTDOWN


def test_the_daemon_stops_with_work_in_hand_and_does_it_when_asked_again(stage):
    stage.behave('{"ensure_guest": {"delay_s": 60}}')
    stage.welcomed().ensure(head(fence=1))
    wait_until(lambda: stage.host.crew.is_busy(SERVER))
    began = time.monotonic()
    stage.stop()
    took = time.monotonic() - began
    stage.behave("{}")

    stage.start().welcomed()
    stage.ensure(head(fence=2, incarnation=2))

    assert stage.conductor.wait_for(Report)[0].fault is None
    assert took < 8


def test_secrets_of_a_guest_are_not_in_the_fake_hypervisor(stage):
    stage.welcomed().ensure(admin_pass="hunter2", user_data="c2VjcmV0")
    stage.conductor.wait_for(Report)

    text = (stage.folder / "hypervisor.json").read_text()

    assert "hunter2" not in text and "c2VjcmV0" not in text
    assert list(json.loads(text)["guests"]) == [SERVER]


def test_a_build_that_has_not_begun_gives_way_to_its_removal_at_once(stage):
    stage.behave('{"ensure_guest": {"delay_s": 60}}')
    stage.welcomed()
    ids = [f"{number:08d}-2222-4333-8444-555555555555" for number in range(BUILDERS + 1)]
    for server_id in ids:
        stage.ensure(head(server_id))
    wait_until(lambda: stage.host.crew.is_busy(ids[-1]))

    stage.remove(head(ids[-1], turn=2, unwinding=True))

    (report,) = stage.conductor.wait_for(Report)
    assert (report.server_id, report.unwinding, report.fault) == (ids[-1], True, None)
    assert all(stage.host.crew.is_busy(server_id) for server_id in ids[:-1])


def test_a_slow_hypervisor_does_not_take_all_threads_for_consoles(stage):
    stage.behave('{"console_output": {"delay_s": 3}}')
    stage.welcomed().ensure()
    stage.conductor.wait_for(Report)

    def ask(_number):
        try:
            stage.send.get_console_output(HOST, GetConsoleOutput(server_id=SERVER))
        except errors.Unavailable:
            return "refused"
        return "answered"

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, range(4)))

    assert answers.count("answered") == QUESTIONS
    assert answers.count("refused") == 4 - QUESTIONS
