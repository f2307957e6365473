"""ENGINE rules: running, how a step ends, no way back, signals, commands and reports, time. One test names each rule."""

from __future__ import annotations

import dataclasses

import pytest
import sqlalchemy as sa
from workflows import demo
from workflows.engine_harness import Crash, change_step, failing

from nova_lite import errors
from nova_lite.db.tables.journal import operations, signals
from nova_lite.durable import journal
from nova_lite.durable.workflow import Back, Done, Outside, Record, Signal, StepFailed, Transient, Wait, Workflow
from nova_lite.rpc.conductor import Fault


def outcomes(rig, step=None):
    return [(event.step, event.outcome) for event in rig.events() if step in (None, event.step)]


# -- running -------------------------------------------------------------------------------------------------------------


def test_one_lease_runs_through_consecutive_steps(play, idle):
    rig = play(*(dataclasses.replace(idle, name=name) for name in "abc"))

    row = rig.play()

    assert row.outcome == "done"
    assert row.fence == 1


def test_record_steps_happen_once_though_the_runner_dies_while_recording(play, database):
    def count(run):
        demo.note(run.tx, "s", "counted")

    rig = play(Record("count", count, None, None, 600), Record("more", count, None, None, 600))
    crashes = iter([True, True, True, False])

    def on_point(point, _step):
        if point == "recording" and next(crashes, False):
            raise Crash

    rig.on_point = on_point

    assert rig.play().outcome == "done"
    assert demo.notes(database, "s") == ["counted", "counted"]


def test_a_record_step_is_recorded_together_with_the_outside_step_before_it(play, idle):
    rig = play(idle, Record("note", lambda run: demo.note(run.tx, "s", "x"), None, None, 60))

    rig.play()

    assert rig.points.count(("after recording", "idle")) == 1
    assert ("before recording", "note") not in rig.points


def test_no_transaction_is_open_in_an_outside_step(play):
    def reach_for_it(run):
        return Done(run.tx)

    rig = play(Outside("reach", reach_for_it, None, None, 60))

    assert rig.play().outcome == "failed"


def test_an_outside_step_may_run_twice_and_its_result_is_recorded_afterwards(play):
    calls = []

    @dataclasses.dataclass(frozen=True)
    class Out:
        number: int

    def act(_run):
        calls.append(1)
        return Done(Out(len(calls)))

    rig = play(Outside("act", act, None, None, 60), Outside("check", lambda run: calls.append(run.out(Out)), None, None, 60))
    left = [1]

    def on_point(point, step):
        if (point, step) == ("before recording", "act") and left[0]:
            left[0] = 0
            raise Crash

    rig.on_point = on_point
    rig.play()

    assert calls == [1, 1, Out(2)]


def test_another_lease_number_records_nothing(play, database):
    stolen = []

    def act(run):
        if not stolen:
            stolen.append(run.operation_id)
            database.transact(lambda tx: tx.execute(operations.update().values(lease_number=operations.c.lease_number + 1)))
        return Done()

    rig = play(Outside("act", act, None, None, 60))
    rig.run_once()
    kept = rig.row()

    assert kept["step"] == "act"
    assert kept["ended_at"] is None
    assert rig.play().outcome == "done"


def test_a_signal_that_lands_before_the_commit_is_read_before_anything_is_recorded(build):
    rig = build()
    sent = []

    def on_point(point, step):
        if (point, step) == ("before recording", "start") and rig.reports and not sent:
            sent.append(rig.signal("delete"))

    rig.on_point = on_point

    row = rig.play()

    assert sent == [True]
    assert row.outcome == "cancelled"
    rig.stage.check_deleted()


def test_a_commit_whose_answer_was_lost_is_found_out_by_the_turn(play, database, monkeypatch):
    """The database took the recording, the runner was told that it is away: it must not record on top."""
    claims = []

    def claim(run):
        demo.note(run.tx, "s", "claim")
        claims.append(1)

    rig = play(Record("claim", claim, None, None, 60), Outside("act", lambda run: None, None, None, 60))
    transact = database.transact
    lost = []

    def lose_the_answer(work):
        before = len(claims)
        result = transact(work)
        if len(claims) > before and not lost:
            lost.append(1)
            raise errors.Unavailable("the answer was lost")
        return result

    monkeypatch.setattr(database, "transact", lose_the_answer)

    assert rig.play().outcome == "done"
    assert demo.notes(database, "s") == ["claim"]


def test_the_runner_that_holds_a_lease_keeps_others_away_for_20_s(play, idle):
    rig = play(idle)

    def on_point(point, _step):
        if point == "after do":
            raise Crash

    rig.on_point = on_point
    rig.run_once()
    rig.on_point = lambda _point, _step: None

    rig.clock.now += 19.9
    early = rig.run_once()
    rig.clock.now += 0.2

    assert not early
    assert rig.run_once()


# -- how a step ends -----------------------------------------------------------------------------------------------------


def test_wait_does_nothing_until_the_time(play):
    calls = []

    def act(run):
        calls.append(run.attempt)
        return Wait(30) if len(calls) == 1 else Done()

    rig = play(Outside("act", act, None, None, 600))
    rig.run_once()
    rig.clock.now += 29.9
    early = rig.run_once()
    rig.clock.now += 0.2

    assert not early
    assert rig.run_once()
    assert calls == [1, 1]


def test_wait_ends_with_a_signal(play):
    seen = []

    def act(run):
        seen.append([signal.name for signal in run.signals])
        return Wait(300) if len(seen) == 1 else Done()

    rig = play(Outside("act", act, None, None, 600))
    rig.run_once()

    rig.signal("hello")

    assert rig.run_once()
    assert seen == [[], ["hello"]]


def test_repeated_waits_double_up_to_5_minutes(play, database):
    times = []

    def act(_run):
        times.append(database.clock.now)
        return Wait(30) if len(times) < 7 else Done()

    rig = play(Outside("act", act, None, None, 3600))
    rig.play()

    assert [round(later - earlier) for earlier, later in zip(times, times[1:], strict=False)] == [30, 60, 120, 240, 300, 300]


def test_transient_is_tried_a_few_times_with_back_off_then_unwinds(play, database):
    times, undone = [], []

    def act(_run):
        times.append(database.clock.now)
        raise Transient("not yet")

    rig = play(Outside("act", act, lambda run: undone.append(1), None, 600))

    row = rig.play()

    assert (row.outcome, row.message) == ("failed", "not yet")
    assert [round(later - earlier) for earlier, later in zip(times, times[1:], strict=False)] == [1, 2, 4]
    assert undone == [1]


def test_an_unexpected_exception_counts_as_transient_and_tells_the_user_nothing_of_the_inside(play):
    failures = []

    def act(_run):
        raise ZeroDivisionError("secret")

    rig = play(Outside("act", act, None, None, 600), on_failure=lambda run: failures.append(run.failure))

    row = rig.play()

    assert outcomes(rig) == [("act", "transient")] * 3 + [("act", "failed")]
    assert "secret" not in row.message
    assert failures[0].details == "ZeroDivisionError"


def test_back_undoes_to_that_step_and_goes_forward_without_the_tried_host(build):
    rig = build()
    rig.stage.hosts["h1"].faults["ensure_guest"].append(Fault(code="qemu", message="No KVM.", host_at_fault=True))

    row = rig.play()

    assert row.outcome == "done"
    assert [(tried.host, tried.reason) for tried in row.hosts_tried] == [("h1", "No KVM.")]
    assert rig.stage.hosts.with_guest(rig.stage.thing) == ["h2"]
    rig.stage.check_success()


def test_back_happens_at_most_3_times_an_operation(play):
    calls = []

    def act(_run):
        calls.append(1)
        raise Back("act", "full")

    rig = play(Outside("act", act, None, None, 600))

    row = rig.play()

    assert (row.outcome, row.message) == ("failed", "full")
    assert len(calls) == 4


def test_a_report_of_a_host_that_was_given_up_does_not_count_after_going_back(build):
    rig = build()
    rig.stage.hosts["h1"].faults["ensure_guest"].append(Fault(code="qemu", message="No KVM.", host_at_fault=True))
    late = []

    def on_command(command):
        if command.verb == "ensure_guest" and command.host == "h2":
            old = dataclasses.replace(rig.reports[0], id="late", fault=None)
            late.append(rig.report(old))
            rig.run_once()
            late.append(rig.operation().step)
        rig.deliver(command)

    rig.on_command = on_command

    row = rig.play()

    assert late[:2] == [True, "start"]
    assert row.outcome == "done"
    assert rig.stage.hosts.with_guest(rig.stage.thing) == ["h2"]


def test_step_failed_unwinds_now_from_the_failed_step_backwards(play):
    undone = []

    def fail(_run):
        raise StepFailed("no")

    def undo(run):
        undone.append(run.step)

    rig = play(
        Outside("a", lambda run: None, undo, None, 60),
        Outside("b", lambda run: None, None, None, 60),
        Outside("c", fail, undo, None, 60),
        Outside("d", lambda run: None, undo, None, 60),
    )

    row = rig.play()

    assert row.outcome == "failed"
    assert undone == ["c", "a"]


def test_a_failing_undo_is_tried_until_it_succeeds(play):
    calls = []

    def fail(_run):
        raise StepFailed("no")

    def undo(_run):
        calls.append(1)
        if len(calls) < 20:
            raise StepFailed("not yet")

    rig = play(Outside("a", fail, undo, None, 60))

    row = rig.play()

    assert (row.outcome, row.message) == ("failed", "no")
    assert len(calls) == 20


def test_unavailable_uses_no_attempt_and_its_time_is_not_counted(play, database):
    begun = database.clock.now
    left = []

    def act(run):
        left.append(round(run.time_left_s))
        if database.clock.now < begun + 212:
            raise errors.Unavailable("away", what="the broker")
        return Done()

    rig = play(Outside("act", act, None, None, 60))

    row = rig.play()

    [event] = rig.events()
    assert row.outcome == "done"
    assert set(left) == {60}
    assert event.attempt == 1
    assert event.message.startswith("waited 21")
    assert event.message.endswith(" s for the broker")


def test_unavailable_backs_off_up_to_5_s(play, database):
    times = []

    def act(_run):
        times.append(database.clock.now)
        if len(times) < 8:
            raise errors.Unavailable("away")

    rig = play(Outside("act", act, None, None, 60))
    rig.play()

    gaps = [round(later - earlier, 1) for earlier, later in zip(times, times[1:], strict=False)]
    assert gaps == [0.5, 1, 2, 4, 5, 5, 5]


def test_unavailable_ends_with_a_signal(play):
    def act(_run):
        raise errors.Unavailable("away")

    rig = play(Outside("act", act, None, None, 60))
    rig.run_once()

    rig.signal("cancel")

    assert rig.play().outcome == "cancelled"


def test_a_wait_on_a_silent_host_does_not_count_from_the_last_contact(play):
    """The host fell silent 40 s before the engine looked; that time is given back."""
    left = []

    def act(run):
        left.append(round(run.time_left_s))
        return Done() if len(left) > 2 else Wait(50, "h1")

    rig = play(Outside("act", act, None, None, 100))
    rig.run_once()
    rig.clock.now += 50
    rig.silence = {"h1": 40.0}
    rig.run_once()
    rig.clock.now += 1000
    rig.silence = {}
    rig.run_once()

    assert left == [100, 90, 90]
    assert rig.operation().outcome == "done"


def test_a_wait_on_a_host_that_is_heard_counts(play):
    rig = play(Outside("act", lambda run: Wait(30, "h1"), None, None, 100))

    row = rig.play()

    assert row.outcome == "failed"
    assert rig.clock.now - 1_000_000 == pytest.approx(100, abs=2)


def test_a_missed_deadline_unwinds(play):
    undone = []
    rig = play(Outside("act", lambda run: Wait(30), lambda run: undone.append(1), None, 100))

    row = rig.play()

    assert row.outcome == "failed"
    assert "100 s" in row.message
    assert undone == [1]
    assert outcomes(rig)[0] == ("act", "deadline")


def test_time_without_any_runner_is_not_counted_against_the_deadline(play):
    left = []

    def act(run):
        left.append(round(run.time_left_s))
        return Wait(30) if len(left) < 3 else Done()

    rig = play(Outside("act", act, None, None, 100))
    rig.run_once()
    rig.clock.now += 4000
    rig.run_once()
    rig.clock.now += 60

    assert rig.play().outcome == "done"
    assert left == [100, 70, 10]


def test_an_operation_of_which_nothing_can_be_undone_ends_at_once(play):
    def fail(_run):
        raise StepFailed("no")

    rig = play(Outside("act", fail, None, None, 60))
    rig.run_once()

    assert rig.operation().outcome == "failed"


# -- no way back ---------------------------------------------------------------------------------------------------------


def test_after_a_step_that_commits_has_begun_failures_are_tried_until_done(build):
    alter = failing(lambda: StepFailed("not yet"), times=30)
    rig = build(demo.MOVE, alter=lambda workflow: change_step(workflow, "drop_source", alter))

    row = rig.play()

    assert row.outcome == "done"
    rig.stage.check_success()


def test_retries_after_the_point_of_no_return_back_off_up_to_60_s(play, database):
    times = []

    def act(_run):
        times.append(database.clock.now)
        if len(times) < 10:
            raise StepFailed("not yet")

    rig = play(Outside("act", act, None, None, 60, commits=True))
    rig.play()

    assert round(times[-1] - times[-2]) == 60


def test_a_missed_deadline_after_the_point_of_no_return_is_listed_as_overdue(play, database):
    rig = play(Outside("act", lambda run: Wait(30), None, None, 100, commits=True))
    rig.run_once()
    with database.read() as tx:
        before = journal.overdue(tx)
    while rig.clock.now < 1_000_150:
        rig.skip_to_next()
        rig.run_once()

    with database.read() as tx:
        [late] = journal.overdue(tx)
    assert before == ()
    assert late.id == rig.operation_id
    assert late.late_s == pytest.approx(rig.clock.now - 1_000_100, abs=1)


def test_a_delete_after_the_point_of_no_return_starts_at_the_end(build):
    rig = build(demo.MOVE)
    sent = []

    def on_point(point, step):
        if (point, step) == ("before do", "drop_source") and not sent:
            sent.append(rig.signal("delete"))

    rig.on_point = on_point

    row = rig.play()

    assert row.outcome == "done"
    rig.stage.check_deleted()


def test_a_cancel_after_the_point_of_no_return_changes_nothing(build):
    rig = build(demo.MOVE)
    sent = []

    def on_point(point, step):
        if (point, step) == ("before do", "switch") and not sent:
            sent.append(rig.signal("cancel"))

    rig.on_point = on_point

    assert rig.play().outcome == "done"
    rig.stage.check_success()


# -- signals -------------------------------------------------------------------------------------------------------------


def test_a_signal_to_an_ended_operation_says_so(build):
    rig = build()
    rig.play()

    assert rig.signal("delete") is False


def test_a_signal_raises_the_sequence_and_wakes_in_one_transaction(build, database):
    rig = build()
    rig.run_once()
    before = rig.row()

    rig.signal("hello", {"a": 1})

    after = rig.row()
    with database.read() as tx:
        assert journal.signals_of(tx, rig.operation_id) == (Signal(1, "hello", {"a": 1}),)
    assert after["signal_seq"] == before["signal_seq"] + 1
    assert after["wake_at"] == rig.clock.now


def test_a_delete_while_building_unwinds_and_the_last_transaction_begins_the_delete(build, database):
    rig = build()
    rig.run_once()

    rig.signal("delete")
    rig.play()

    with database.read() as tx:
        names = [(row.workflow, row.outcome) for row in journal.history(tx, demo.THING, rig.stage.thing)]
    assert sorted(names) == [("demo_build", "cancelled"), ("demo_delete", "done")]
    rig.stage.check_deleted()


def test_a_delete_while_unwinding_from_a_failure_begins_the_delete_too(build):
    rig = build()
    rig.stage.hosts["h1"].faults["ensure_guest"].append(Fault(code="image", message="Bad image."))
    sent = []

    def on_command(command):
        if command.verb == "remove_guest" and not sent:
            sent.append(rig.signal("delete"))
        rig.deliver(command)

    rig.on_command = on_command

    row = rig.play()

    assert (row.outcome, row.message) == ("failed", "Bad image.")
    rig.stage.check_deleted()


def test_a_cancel_while_going_back_unwinds_all(build):
    rig = build()
    rig.stage.hosts["h1"].faults["ensure_guest"].append(Fault(code="q", message="No KVM.", host_at_fault=True))
    sent = []

    def on_command(command):
        if command.verb == "remove_guest" and not sent:
            sent.append(rig.signal("cancel"))
        rig.deliver(command)

    rig.on_command = on_command

    row = rig.play()

    assert row.outcome == "cancelled"
    rig.stage.check_clean()


def test_being_woken_is_not_slept_through_though_it_lands_just_before_a_wait_is_recorded(play, database):
    calls = []

    def act(_run):
        calls.append(1)
        return Wait(300) if len(calls) < 2 else Done()

    rig = play(Outside("act", act, None, None, 600))

    def on_point(point, _step):
        if point == "before recording" and len(calls) == 1:
            database.transact(lambda tx: journal.wake(tx, [rig.operation_id]))

    rig.on_point = on_point

    rig.run_once()

    assert rig.operation().outcome == "done"


# -- commands and reports ------------------------------------------------------------------------------------------------


def test_the_fence_rises_with_each_lease_and_the_turn_with_each_step_direction_and_attempt(play):
    pairs = []

    def act(run):
        pairs.append((run.fence, run.turn))
        if len(pairs) == 1:
            return Wait(1)
        if len(pairs) == 2:
            raise Transient("again")
        if len(pairs) == 3:
            return Done()
        raise StepFailed("no")

    rig = play(Outside("a", act, act, None, 600), Outside("b", act, None, None, 600))
    for _ in range(4):
        rig.run_once()
        rig.skip_to_next()

    assert pairs[:5] == [(1, 1), (2, 1), (3, 2), (3, 3), (3, 4)]


def test_a_success_of_an_earlier_attempt_counts(play):
    seen = []

    def act(run):
        report = run.report()
        seen.append((run.attempt, report is not None and report.ok))
        if report is not None:
            return Done()
        if run.attempt == 1:
            raise Transient("again")
        return Wait(30)

    rig = play(Outside("act", act, None, None, 600))
    rig.run_once()
    rig.skip_to_next()
    rig.run_once()

    rig.signal("report", {"step": "act", "unwinding": False, "turn": 1, "host": "h1", "fault": None})
    rig.run_once()

    assert seen == [(1, False), (2, False), (2, True)]


@pytest.mark.parametrize("signal", ["report", "delete"])
def test_a_command_is_told_even_where_a_signal_is_recorded_before_it(play, signal):
    arrived = []

    def act(run):
        if run.report() is not None:
            return None
        run.sent("h1", "build_it")
        return Wait(30)

    def on_point(point, step):
        if (point, step) == ("before recording", "act") and not arrived:
            arrived.append(rig.signal(signal, {"step": "act", "unwinding": False, "turn": 1, "host": "h1", "fault": None}))

    rig = play(Outside("act", act, None, None, 600))
    rig.on_point = on_point
    rig.run_once()

    assert arrived == [True]
    commands = [fact for fact in rig.row()["state"]["facts"] if fact["fact"] == "command"]
    assert [(fact["name"], fact["host"], fact["count"]) for fact in commands] == [("build_it", "h1", 1)]


def test_a_fault_of_an_earlier_attempt_does_not_count(play):
    seen = []

    def act(run):
        seen.append(run.report())
        if run.attempt == 1:
            raise Transient("again")
        return Wait(30)

    rig = play(Outside("act", act, None, None, 600))
    rig.run_once()
    rig.skip_to_next()
    rig.run_once()

    rig.signal("report", {"step": "act", "unwinding": False, "turn": 1, "host": "h1", "fault": {"code": "x", "message": "m"}})
    rig.run_once()

    assert seen == [None, None, None]


def test_a_report_of_a_past_step_or_direction_is_dropped(build, database):
    rig = build()
    rig.run_once()

    rig.signal("report", {"step": "port", "unwinding": False, "turn": 3, "host": "h1"}, report_id="r1")
    rig.signal("report", {"step": "start", "unwinding": True, "turn": 4, "host": "h1"}, report_id="r2")

    with database.read() as tx:
        assert tx.execute(sa.select(sa.func.count()).select_from(signals)).scalar_one() == 0


def test_an_object_in_an_outside_service_has_the_same_name_at_each_repetition_and_for_its_undo(play):
    keys = []

    def act(run):
        keys.append(run.key())
        if len(keys) == 1:
            raise Transient("again")
        if len(keys) == 2:
            raise StepFailed("no")

    rig = play(Outside("act", act, act, None, 600))
    rig.play()

    assert len(keys) == 3
    assert set(keys) == {f"{rig.operation_id}:act"}


# -- time ----------------------------------------------------------------------------------------------------------------


def test_after_a_reboot_leases_are_over_waiting_is_over_and_deadlines_start_anew(play):
    left = []

    def act(run):
        left.append(round(run.time_left_s))
        return Wait(300) if len(left) == 1 else Done()

    rig = play(Outside("act", act, None, None, 600))
    rig.run_once()
    rig.clock.now += 200

    rig.reboot()

    assert rig.run_once()
    assert left == [600, 600]


def test_held_operations_stay_held_over_a_reboot(play, idle):
    rig = play(idle, accepted={"held_by": journal.new_id()})

    rig.reboot()

    assert not rig.run_once()


# -- the end -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("signal", "ending"), [(None, "success"), ("cancel", "cancel"), ("delete", "cancel")])
def test_the_last_transaction_runs_the_hook_of_its_outcome_and_the_delete_last(play, signal, ending):
    called = []
    hooks = {f"on_{name}": lambda run, name=name: called.append(name) for name in ("success", "failure", "cancel", "delete")}
    rig = play(Outside("act", lambda run: None if signal is None else Wait(30), None, None, 600), **hooks)
    rig.run_once()
    if signal:
        rig.signal(signal)
        rig.run_once()

    assert called == ([ending, "delete"] if signal == "delete" else [ending])


def test_a_hook_that_fails_is_tried_again_and_nothing_is_half_recorded(play, database):
    calls = []

    def hook(run):
        demo.note(run.tx, "s", "ended")
        calls.append(1)
        if len(calls) < 4:
            raise ValueError

    rig = play(Outside("act", lambda run: None, None, None, 600), on_success=hook)

    row = rig.play()

    assert row.outcome == "done"
    assert demo.notes(database, "s") == ["ended"]


def test_an_event_is_written_for_each_step_with_its_notes_and_host(play):
    def act(run):
        run.note("half of it", "h1")
        run.note("all of it")

    rig = play(Outside("act", act, None, None, 600))
    rig.play()

    [event] = rig.events()
    assert (event.host, event.message, event.outcome) == ("h1", "half of it; all of it", "done")


def test_events_of_a_running_operation_can_be_read_before_they_move_to_the_history(build):
    rig = build()
    rig.run_once()

    assert [event.step for event in rig.events()] == ["choose", "claim", "port"]


def test_a_long_operations_events_move_on_the_way(play):
    calls = []

    def act(_run):
        calls.append(1)
        if len(calls) < 300:
            raise StepFailed("no")

    rig = play(Outside("act", act, None, None, 60, commits=True))
    rig.play()

    events = rig.events()
    assert [event.attempt for event in events] == [1, 2, 3, 4, 5, *range(10, 300, 10), 300]
    assert len(rig.row()["events"]) == 0


def test_what_the_last_hook_accepts_is_another_operation_of_the_same_subject(play, quick):
    def follow(run):
        new = journal.NewOperation(workflow=quick, subject_kind=run.subject_kind, subject_id=run.subject_id, params=run.params)
        journal.accept(run.tx, new)

    rig = play(Outside("act", lambda run: None, None, None, 600), others=(quick,), on_success=follow)
    rig.play()

    assert rig.live_deleted()


def test_two_workflows_of_one_name_and_version_are_refused():
    from nova_lite.durable.workflow import Registry

    one = Workflow(name="w", version=1, params=demo.DemoParams, steps=())

    with pytest.raises(ValueError):
        Registry((one, one))
