"""The tests that every workflow gets: the list at the end of the engine's rules, over all scenarios and their steps."""

from __future__ import annotations

import dataclasses
import uuid

import pytest
import sqlalchemy as sa
from workflows.engine_harness import Crash, Rig, all_doubled, change_step, doubled, failing
from workflows.scenarios import SCENARIOS

from nova_lite import errors
from nova_lite.db.tables.journal import operations
from nova_lite.durable.workflow import Back, Kind, StepFailed, Transient
from nova_lite.rpc.conductor import Fault
from nova_lite.workflows.registry import REGISTRY

POINTS = ("before do", "after do", "before recording", "recording", "after recording")
OPEN_POINTS = ("before do", "after do")  # no transaction is open here in an Outside step
CASES = [(scenario, step) for scenario in SCENARIOS for step in scenario.workflow.steps]
OUTSIDE = [(scenario, step) for scenario, step in CASES if step.kind is Kind.OUTSIDE]
UNDOS = [(scenario, step) for scenario, step in CASES if step.undo is not None]


def name_of(value):
    return getattr(value, "name", None)


each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=name_of)
each_step = pytest.mark.parametrize(("scenario", "step"), CASES, ids=name_of)
each_outside_step = pytest.mark.parametrize(("scenario", "step"), OUTSIDE, ids=name_of)
each_undo = pytest.mark.parametrize(("scenario", "step"), UNDOS, ids=name_of)


def commits_until(workflow, step):
    """Whether a step stands at or after one that commits."""
    return any(candidate.commits for candidate in workflow.steps[: workflow.index(step.name) + 1])


def last_before_the_way_back_ends(workflow):
    """Give the last step whose failure unwinds everything, or None."""
    names = [step for step in workflow.steps if not commits_until(workflow, step)]
    return names[-1] if names else None


def once(rig, point, step, action):
    """Do something at the first time that the engine comes to a point of a step."""
    left = [1]

    def on_point(reached_point, reached_step):
        if (reached_point, reached_step) == (point, step.name) and left[0]:
            left[0] = 0
            action()

    rig.on_point = on_point
    return left


def crash():
    raise Crash


def test_every_registered_workflow_has_a_scenario():
    missing = {workflow.name for workflow in REGISTRY.all()} - {scenario.workflow.name for scenario in SCENARIOS}

    assert not missing


@each_scenario
def test_undisturbed_it_succeeds(database, scenario):
    rig = Rig(scenario.build(database), database)

    row = rig.play()

    assert row.outcome == "done"
    rig.stage.check_success()


@each_scenario
def test_each_step_twice_succeeds(database, scenario):
    rig = Rig(scenario.build(database), database, alter=all_doubled)

    row = rig.play()

    assert row.outcome == "done"
    rig.stage.check_success()


@pytest.mark.parametrize("point", POINTS)
@each_step
def test_crash_at_each_point_resumes_to_the_same_end(database, scenario, step, point):
    rig = Rig(scenario.build(database), database)
    once(rig, point, step, crash)

    row = rig.play()

    assert row.outcome == "done"
    rig.stage.check_success()


@each_step
def test_crashes_at_many_points_still_end(database, scenario, step):
    rig = Rig(scenario.build(database), database, lease_s=5.0)
    crashed = set()

    def on_point(point, name):
        if point in ("after do", "recording") and (point, name) not in crashed and name != step.name:
            crashed.add((point, name))
            raise Crash

    rig.on_point = on_point

    row = rig.play()

    assert row.outcome == "done"
    rig.stage.check_success()


@pytest.mark.parametrize("after", [False, True], ids=["before it acts", "after it acted"])
@each_step
def test_failure_at_each_step_leaves_a_clean_slate_or_ends_forward(database, scenario, step, after):
    change = failing(lambda: StepFailed("made to fail"), after=after, times=3)
    rig = Rig(scenario.build(database), database, alter=lambda workflow: change_step(workflow, step.name, change))

    row = rig.play()

    if commits_until(rig.workflow, step):
        assert row.outcome == "done"
        rig.stage.check_success()
    else:
        assert (row.outcome, row.message) == ("failed", "made to fail")
        rig.stage.check_clean()


@each_step
def test_few_transient_failures_of_each_step_are_overcome(database, scenario, step):
    # Three are the most that a step survives. A Record step that is tried together with those before it stumbles up to
    # twice without a word: what was tried together is tried again one by one.
    change = failing(lambda: Transient("stumbled"), after=step.kind is Kind.OUTSIDE, times=3)
    rig = Rig(scenario.build(database), database, alter=lambda workflow: change_step(workflow, step.name, change))

    row = rig.play()

    assert row.outcome == "done"
    outcomes = [event.outcome for event in rig.events() if event.step == step.name]
    assert outcomes[-1] == "done"
    assert set(outcomes[:-1]) == {"transient"}
    rig.stage.check_success()


@each_step
def test_going_back_to_each_step_from_itself_succeeds(database, scenario, step):
    change = failing(lambda: Back(step.name, "once more"), after=True, times=2)
    rig = Rig(scenario.build(database), database, alter=lambda workflow: change_step(workflow, step.name, change))

    row = rig.play()

    assert row.outcome == "done"
    rig.stage.check_success()


@each_undo
def test_each_undo_twice_leaves_a_clean_slate(database, scenario, step):
    last = last_before_the_way_back_ends(scenario.workflow)

    def alter(workflow):
        workflow = change_step(workflow, step.name, lambda it: dataclasses.replace(it, undo=doubled(it.undo)))
        return change_step(workflow, last.name, failing(lambda: StepFailed("made to fail")))

    rig = Rig(scenario.build(database), database, alter=alter)

    row = rig.play()

    assert row.outcome == "failed"
    rig.stage.check_clean()


@pytest.mark.parametrize("point", POINTS)
@each_undo
def test_crash_at_each_point_of_an_undo_leaves_a_clean_slate(database, scenario, step, point):
    last = last_before_the_way_back_ends(scenario.workflow)
    fail_last = failing(lambda: StepFailed("made to fail"), after=last.kind is Kind.OUTSIDE)
    rig = Rig(scenario.build(database), database, alter=lambda workflow: change_step(workflow, last.name, fail_last))
    left = [1]

    def on_point(reached_point, name):
        if (reached_point, name) == (point, step.name) and rig.operation().unwinding and left[0]:
            left[0] = 0
            raise Crash

    rig.on_point = on_point if point != "recording" else lambda reached, name: None

    row = rig.play()

    assert row.outcome == "failed"
    rig.stage.check_clean()


def interrupt(rig, signal, was_committed):
    was_committed.append(rig.is_committed())
    was_committed.append(rig.signal(signal, {"user_id": "u", "request_id": "req-2"}))


def check_interrupted(rig, row, signal, seen):
    committed, arrived = seen
    asked = arrived and signal == "delete" and rig.workflow.on_delete is not None
    if committed or not arrived:
        assert row.outcome == "done"
    else:
        assert row.outcome == "cancelled"
    assert rig.live_deleted() == asked
    rig.check_end(row)


@pytest.mark.parametrize("signal", ["cancel", "delete"])
@pytest.mark.parametrize("point", OPEN_POINTS)
@each_outside_step
def test_cancel_and_delete_while_each_step_acts(database, scenario, step, point, signal):
    rig = Rig(scenario.build(database), database)
    seen = []
    once(rig, point, step, lambda: interrupt(rig, signal, seen))

    row = rig.play()

    check_interrupted(rig, row, signal, seen)


@pytest.mark.parametrize("signal", ["cancel", "delete"])
@pytest.mark.parametrize("point", ["before recording", "after recording"])
@each_step
def test_cancel_and_delete_between_the_reading_and_the_commit_of_each_step(database, scenario, step, point, signal):
    rig = Rig(scenario.build(database), database)
    seen = []
    left = once(rig, point, step, lambda: interrupt(rig, signal, seen))

    row = rig.play()

    if left[0]:
        pytest.skip("recorded together with the step before it")
    check_interrupted(rig, row, signal, seen)


@pytest.mark.parametrize("signal", ["cancel", "delete"])
@each_step
def test_cancel_and_delete_at_the_border_before_each_step(database, scenario, step, signal):
    """The runner dies as the step begins; the signal comes before another one goes on."""
    rig = Rig(scenario.build(database), database)
    seen = []

    def die():
        raise Crash

    once(rig, "before do", step, die)
    while (("before do", step.name)) not in rig.points:
        if not (rig.run_once() or rig.deliver_new()):
            rig.skip_to_next()
    interrupt(rig, signal, seen)

    row = rig.play()

    check_interrupted(rig, row, signal, seen)


@pytest.mark.parametrize("signal", ["cancel", "delete"])
@each_scenario
def test_cancel_and_delete_before_it_ever_ran(database, scenario, signal):
    rig = Rig(scenario.build(database), database)
    seen = []
    interrupt(rig, signal, seen)

    row = rig.play()

    assert seen[1]
    if seen[0]:
        check_interrupted(rig, row, signal, seen)
    else:
        assert row.outcome == "cancelled"
        assert not [point for point in rig.points if point == ("before do", rig.workflow.steps[0].name)]


def play_with_a_command_late(rig, number):
    """Deliver command `number` only after the next one of another step or direction has been obeyed; give both."""
    held = []

    def on_command(command):
        if command.number == number and not held:
            held.append(command)
            return
        rig.deliver(command)
        if len(held) == 1:
            first, head = held[0].message.head, command.message.head
            if (first.step, first.unwinding) != (head.step, head.unwinding):
                rig.deliver(held[0])
                held.append(command)

    rig.on_command = on_command
    return rig.play(), held


def commands_of_a_play(scenario, database, alter=None):
    rig = Rig(scenario.build(database), database, alter=alter)
    rig.play()
    return len(rig.stage.hosts.sent)


@pytest.mark.parametrize("ends", ["done", "failed"])
@each_scenario
def test_every_two_commands_in_the_wrong_order(database, scenario, ends):
    last = last_before_the_way_back_ends(scenario.workflow)
    if ends == "failed" and last is None:
        pytest.skip("there is no way back from the first step on")

    def alter(workflow):
        if ends == "done":
            return workflow
        return change_step(workflow, last.name, failing(lambda: StepFailed("x"), after=last.kind is Kind.OUTSIDE))

    for number in range(commands_of_a_play(scenario, database, alter)):
        rig = Rig(scenario.build(database), database, alter=alter)

        row, _ = play_with_a_command_late(rig, number)

        assert row.outcome == ends
        rig.check_end(row)


@each_outside_step
def test_command_overtaken_by_its_undo_builds_nothing(database, scenario, step):
    """A command stays in the broker, the operation is cancelled, the undo's command arrives first."""
    if commits_until(scenario.workflow, step) or step.undo is None:
        pytest.skip("it is not undone")
    rig = Rig(scenario.build(database), database)
    held = []

    def on_command(command):
        if command.message.head.step == step.name and not command.message.head.unwinding:
            held.append(command)
            rig.signal("cancel")
        else:
            rig.deliver(command)

    rig.on_command = on_command
    row = rig.play()
    if not held:
        pytest.skip("it commands no host")

    for command in held:
        rig.deliver(command)

    assert row.outcome == "cancelled"
    rig.stage.check_clean()


@pytest.mark.parametrize("ends", ["done", "cancelled"])
@each_scenario
def test_each_command_repeated_late_changes_nothing(database, scenario, ends):
    rig = Rig(scenario.build(database), database)
    last = last_before_the_way_back_ends(scenario.workflow)
    if ends == "cancelled":
        if last is None:
            pytest.skip("there is no way back from the first step on")
        once(rig, "before recording", last, lambda: rig.signal("cancel"))
    row = rig.play()
    if row.outcome != ends:
        pytest.skip("its last step is recorded together with the one before it")
    refused = sum(host.refused for host in rig.stage.hosts.hosts.values())
    for command in rig.stage.hosts.sent[:-1]:
        late = rig.stage.hosts.deliver(command)
        if late is not None:
            assert not rig.report(late)

    rig.check_end(row)
    assert rig.operation() == row
    assert sum(host.refused for host in rig.stage.hosts.hosts.values()) >= refused


@each_scenario
def test_each_command_arriving_three_times_changes_nothing(database, scenario):
    rig = Rig(scenario.build(database), database)

    def on_command(command):
        for _ in range(3):
            rig.deliver(command)

    rig.on_command = on_command

    row = rig.play()

    assert row.outcome == "done"
    rig.stage.check_success()


@each_scenario
def test_each_report_repeated_is_stored_once(database, scenario):
    rig = Rig(scenario.build(database), database)

    def on_command(command):
        report = rig.stage.hosts.deliver(command)
        if report is not None:
            rig.report(report)
            rig.report(report)

    rig.on_command = on_command

    row = rig.play()

    assert row.outcome == "done"
    rig.stage.check_success()
    with database.read() as tx:
        stored = tx.execute(sa.text("SELECT report_id FROM signals WHERE report_id IS NOT NULL")).scalars().all()
    assert len(stored) == len(set(stored))


@each_scenario
def test_every_report_again_at_every_border_changes_nothing(database, scenario):
    """The broker repeats everything it ever carried, each time as a message of its own."""
    rig = Rig(scenario.build(database), database)

    def on_command(command):
        for report in list(rig.reports):
            rig.report(dataclasses.replace(report, id=str(uuid.uuid4())))
        rig.deliver(command)

    rig.on_command = on_command

    row = rig.play()

    assert row.outcome == "done"
    rig.stage.check_success()


@each_scenario
def test_fault_of_an_earlier_attempt_does_not_count(database, scenario):
    rig = Rig(scenario.build(database), database)

    def on_command(command):
        report = rig.stage.hosts.deliver(command)
        if report is not None:
            fault = Fault(code="old", message="of an earlier attempt", host_at_fault=True)
            old = dataclasses.replace(report, id=str(uuid.uuid4()), turn=report.turn - 1, fault=fault)
            rig.report(old)
            rig.run_once()
            rig.report(report)

    rig.on_command = on_command

    row = rig.play()

    assert row.outcome == "done"
    assert not row.hosts_tried
    rig.stage.check_success()


@pytest.mark.parametrize("point", ["before do", "after do", "before recording"])
@each_step
def test_stolen_lease_records_nothing(database, scenario, step, point):
    """A runner sleeps at a border; another takes its lease and goes on to the end; then the first wakes up."""
    if step.kind is Kind.RECORD and point != "before recording":
        pytest.skip("a transaction is open, and this test has one thread: it would wait for itself")
    rig = Rig(scenario.build(database), database)
    rows = []

    def steal():
        rig.clock.now += 21
        rig.runner = rig.new_runner()
        rig.on_point = lambda _point, _step: None
        rig.play()
        rows.append(rig.row())

    left = once(rig, point, step, steal)

    row = rig.play()

    if left[0]:
        pytest.skip("recorded together with the step before it")
    assert rig.row() == rows[0]
    assert row.outcome == "done"
    rig.stage.check_success()


@each_outside_step
def test_unavailable_for_an_hour_changes_nothing_but_time(database, scenario, step):
    stage = scenario.build(database)
    until = [None]

    def change(it):
        def do(run):
            if until[0] is None:
                until[0] = database.clock.now + 3600
            if database.clock.now < until[0]:
                raise errors.Unavailable("Nobody answers.", what="the broker")
            return it.do(run)

        return dataclasses.replace(it, do=do)

    rig = Rig(stage, database, alter=lambda workflow: change_step(workflow, step.name, change))
    skip = rig.skip_to_next

    def skip_faster():
        skip()
        if until[0] is not None and rig.clock.now < until[0]:
            rig.clock.now += 100  # as if the tries in between had been made

    rig.skip_to_next = skip_faster

    row = rig.play()

    assert row.outcome == "done"
    rig.stage.check_success()
    [event] = [event for event in rig.events() if event.step == step.name]
    assert (event.outcome, event.attempt) == ("done", 1)
    assert "for the broker" in event.message


@each_scenario
def test_hosts_silent_for_an_hour_change_nothing_but_time(database, scenario):
    rig = Rig(scenario.build(database), database)
    began = rig.clock.now
    kept = []

    def on_command(command):
        silent = rig.clock.now - began
        if silent < 3600:
            rig.silence = {name: silent + 0.1 for name in rig.stage.hosts.hosts}
            kept.append(command)
        else:
            rig.silence = {}
            for one in (*kept, command):
                rig.deliver(one)
            kept.clear()

    rig.on_command = on_command

    row = rig.play()

    assert row.outcome == "done"
    assert row.attempt == 1
    rig.stage.check_success()


@pytest.mark.parametrize("point", POINTS)
@each_step
def test_reboot_in_the_middle(database, scenario, step, point):
    rig = Rig(scenario.build(database), database)
    left = once(rig, point, step, crash)
    rebooted = []
    for _ in range(200):
        moved = rig.run_once() | rig.deliver_new()
        if not left[0] and not rebooted:
            rig.reboot()
            rebooted.append(True)
        if not rig.live() or rebooted:
            break
        if not moved:
            rig.skip_to_next()

    row = rig.play()

    assert row.outcome == "done"
    rig.stage.check_success()


@each_scenario
def test_reboot_while_it_waits(database, scenario):
    rig = Rig(scenario.build(database), database)
    rig.run_once()
    rig.reboot()

    with database.read() as tx:
        before = tx.execute(sa.select(operations.c.boot_id).where(operations.c.id == rig.operation_id)).scalar_one()
    row = rig.play()

    assert before == "boot-1"
    assert row.outcome == "done"
    rig.stage.check_success()
