"""The runner in threads: any number of them, doorbells and polls, classes and fair turns, leases kept and given back."""

from __future__ import annotations

import threading
import time

import pytest
from workflows import demo

from nova_lite.clock import SystemClock
from nova_lite.db import schema
from nova_lite.db.engine import Database
from nova_lite.durable import journal
from nova_lite.durable.runner import Runner, RunnerOptions
from nova_lite.durable.workflow import Done, Outside, Priority, Record, Registry, Wait, Workflow

PATIENCE_S = 20.0


@pytest.fixture
def database(tmp_path):
    """A database in real time."""
    database = Database(f"sqlite:///{tmp_path}/test.db", SystemClock())
    schema.create_all(database)
    database.transact(lambda tx: demo.METADATA.create_all(tx.connection))
    yield database
    database.dispose()


@pytest.fixture
def started(database):
    """Give a function that starts runners, which are stopped in the end."""
    runners = []

    def start(*workflows, **options):
        runner = Runner(database, Registry(workflows), None, RunnerOptions(**options))
        runner.start()
        runners.append(runner)
        return runner

    yield start
    for runner in runners:
        runner.stop()


def workflow(*steps, name="w", **fields):
    return Workflow(name=name, version=1, params=demo.DemoParams, steps=steps, **fields)


def until(condition):
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen in time")


def none_lives(database):
    with database.read() as tx:
        return not journal.live(tx)


def count(run):
    demo.note(run.tx, run.subject_id, "counted")


def test_several_runners_do_each_record_step_once(database, started, accept):
    work = workflow(
        Record("one", count, None, None, 60),
        Outside("two", lambda run: None, None, None, 60),
        Record("three", count, None, None, 60),
    )
    runners = [started(work, slots=4) for _ in range(3)]

    subjects = [f"s{number}" for number in range(40)]
    for subject in subjects:
        accept(work, subject)
        runners[0].ring("any")

    until(lambda: none_lives(database))
    assert [demo.notes(database, subject) for subject in subjects] == [["counted", "counted"]] * 40


def test_a_doorbell_is_heard_at_once(database, started, accept):
    done = threading.Event()
    work = workflow(Outside("one", lambda run: done.set(), None, None, 60))
    runner = started(work, poll_s=30.0)
    time.sleep(0.3)
    operation = accept(work)

    runner.ring(operation)

    assert done.wait(5)


def test_a_lost_doorbell_is_made_good_by_the_poll(started, accept):
    done = threading.Event()
    work = workflow(Outside("one", lambda run: done.set(), None, None, 60))
    started(work, poll_s=0.2)
    time.sleep(0.3)

    accept(work)

    assert done.wait(5)


def test_leases_of_long_steps_are_renewed(database, started, accept):
    calls = []

    def slow(_run):
        calls.append(1)
        time.sleep(2.0)

    work = workflow(Outside("slow", slow, None, None, 60))
    for _ in range(2):
        started(work, lease_s=0.6, renew_s=0.1, poll_s=0.1)

    accept(work)

    until(lambda: none_lives(database))
    assert calls == [1]


def test_a_step_that_hangs_loses_its_lease_and_another_runner_goes_on(database, started, accept):
    hang = threading.Event()
    calls = []

    def act(_run):
        calls.append(1)
        if len(calls) == 1:
            hang.wait(PATIENCE_S)

    work = workflow(Outside("act", act, None, None, 60))
    for _ in range(2):
        started(work, lease_s=0.6, renew_s=0.1, poll_s=0.1, call_limit_s=0.5)
    try:
        accept(work)

        until(lambda: none_lives(database))
    finally:
        hang.set()
    assert len(calls) == 2


def test_stopping_gives_the_leases_back_at_the_next_border(database, started, accept):
    begun, go_on = threading.Event(), threading.Event()

    def act(_run):
        begun.set()
        go_on.wait(PATIENCE_S)

    work = workflow(Outside("a", act, None, None, 60), Outside("b", lambda run: Wait(300), None, None, 600))
    runner = started(work)
    operation_id = accept(work)
    runner.ring(operation_id)
    begun.wait(5)
    stopping = threading.Thread(target=runner.stop)
    stopping.start()
    time.sleep(0.2)
    go_on.set()
    stopping.join(10)

    with database.read() as tx:
        row = journal.operation(tx, operation_id)
    assert (row.step, row.leased_by) == ("b", None)


def test_deletes_run_before_actions_and_actions_before_boots(database, accept):
    order = []

    def note(run):
        order.append(run.subject_id)

    kinds = {"boot": Priority.BOOT, "action": Priority.ACTION, "delete": Priority.DELETE}
    work = {
        name: workflow(Outside("one", note, None, None, 60), name=name, priority=priority) for name, priority in kinds.items()
    }
    for name, its in work.items():
        accept(its, name)

    Runner(database, Registry(tuple(work.values())), None).run_once()

    assert order == ["delete", "action", "boot"]


def test_projects_take_turns_within_a_class(database, accept):
    order = []
    work = workflow(Outside("one", lambda run: order.append(run.project_id), None, None, 60))
    for number in range(50):
        accept(work, f"a{number}", project_id="A")
    for number in range(3):
        accept(work, f"b{number}", project_id="B")

    Runner(database, Registry((work,)), None).run_once()

    assert order[:6] == ["A", "B", "A", "B", "A", "B"]


def test_a_project_with_a_thousand_operations_does_not_keep_another_waiting(database, started, accept):
    """All slots are A's, each step is slow; B comes and has a slot long before A is through."""
    order = []

    def slow(run):
        time.sleep(0.05)
        order.append(run.project_id)
        return Done()

    steps = [Outside(f"s{number}", slow, None, None, 600) for number in range(20)]
    work = workflow(*steps)
    for number in range(12):
        accept(work, f"a{number}", project_id="A")
    runner = started(work, slots=4, poll_s=0.1)
    until(lambda: len(order) > 8)
    came = len(order)
    accept(work, "b", project_id="B")

    until(lambda: "B" in order)

    assert order.index("B") - came < 40
    runner.stop()


def test_the_runner_is_alive_while_it_comes_round(started, quick):
    runner = started(quick)

    assert runner.alive()
    runner.stop()
    assert not runner.alive()


def test_the_runner_goes_on_after_the_database_was_away(database, started, accept, monkeypatch):
    from nova_lite import errors

    done = threading.Event()
    work = workflow(Outside("one", lambda run: done.set(), None, None, 60))
    read = database.read
    away = [True]

    def read_or_not():
        if away[0]:
            raise errors.Unavailable("away")
        return read()

    monkeypatch.setattr(database, "read", read_or_not)
    started(work, poll_s=0.1)
    time.sleep(0.5)
    away[0] = False

    accept(work)

    assert done.wait(5)
