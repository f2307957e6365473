"""The engine on PostgreSQL and MariaDB: the generated tests' worst cases, runners in threads, deadlocks, the server's clock."""

from __future__ import annotations

import threading
import time

import pytest
import sqlalchemy as sa
from workflows import demo
from workflows.engine_harness import Crash, Rig

from nova_lite import errors
from nova_lite.clock import SimulatedClock
from nova_lite.db import clock, schema
from nova_lite.db import journal as queries
from nova_lite.db.engine import Database
from nova_lite.db.tables.journal import operations
from nova_lite.durable import journal
from nova_lite.durable.journal import Subject
from nova_lite.durable.runner import Runner, RunnerOptions
from nova_lite.durable.workflow import Outside, Record, Registry, Wait, Workflow

POINTS = ("after do", "before recording", "recording", "after recording")
PATIENCE_S = 60.0


@pytest.fixture
def database(database):
    """A database in its own time, with the demo's tables too."""
    database.transact(lambda tx: demo.METADATA.create_all(tx.connection))
    return database


@pytest.fixture
def simulated(url):
    """A database under a simulated clock."""
    database = Database(url, SimulatedClock(), own_time=True)
    schema.create_all(database)
    yield database
    database.dispose()


def accept(database, workflow, subject, **more):
    new = journal.NewOperation(
        workflow=workflow, subject_kind="thing", subject_id=subject, params=demo.DemoParams(thing=subject), **more
    )
    return database.transact(lambda tx: journal.accept(tx, new))


def until_none_lives(database):
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with database.read() as tx:
            if not journal.live(tx):
                return
        time.sleep(0.05)
    raise AssertionError("operations do not end")


def count(run):
    demo.note(run.tx, run.subject_id, "counted")


def test_crashes_at_every_point_and_a_delete_at_every_step(simulated):
    """One play for each scenario and point; signals land between a step and its commit."""
    for scenario in demo.SCENARIOS:
        for point in POINTS:
            rig = Rig(scenario.build(simulated), simulated, lease_s=5.0)
            crashed = set()

            def on_point(reached, step, point=point, crashed=crashed):
                if reached == point and step not in crashed:
                    crashed.add(step)
                    raise Crash

            rig.on_point = on_point

            assert rig.play().outcome == "done"
            rig.stage.check_success()


@pytest.mark.parametrize("signal", ["cancel", "delete"])
def test_a_signal_between_each_step_and_its_commit_is_read_first(simulated, signal):
    for scenario in demo.SCENARIOS:
        for step in scenario.workflow.steps:
            rig = Rig(scenario.build(simulated), simulated)
            seen = []

            def on_point(reached, name, rig=rig, seen=seen, wanted=step.name):
                if (reached, name) == ("before recording", wanted) and not seen:
                    seen.append(rig.is_committed())
                    rig.signal(signal)

            rig.on_point = on_point

            row = rig.play()

            if seen:
                assert row.outcome == ("done" if seen[0] else "cancelled")
            rig.check_end(row)


def test_a_stolen_lease_records_nothing(simulated):
    rig = Rig(demo.SCENARIOS[0].build(simulated), simulated)
    rows = []

    def on_point(point, step):
        if (point, step) == ("before recording", "start") and not rows:
            rig.clock.now += 25
            rig.runner = rig.new_runner()
            rig.on_point = lambda _point, _step: None
            rig.play()
            rows.append(rig.row())

    rig.on_point = on_point

    rig.play()

    assert rig.row() == rows[0]
    rig.stage.check_success()


def test_several_runners_do_each_record_step_once(database):
    work = Workflow(
        name="w",
        version=1,
        params=demo.DemoParams,
        steps=(
            Record("one", count, None, None, 60),
            Outside("two", lambda run: Wait(0.05) if run.fence == 1 else None, None, None, 60),
            Record("three", count, None, None, 60),
        ),
    )
    runners = [Runner(database, Registry((work,)), None, RunnerOptions(slots=4, poll_s=0.2)) for _ in range(4)]
    for runner in runners:
        runner.start()
    try:
        subjects = [f"s{number}" for number in range(60)]
        for number, subject in enumerate(subjects):
            runners[number % 4].ring(accept(database, work, subject, project_id=f"p{number % 3}"))
        until_none_lives(database)
    finally:
        for runner in runners:
            runner.stop()

    assert [demo.notes(database, subject) for subject in subjects] == [["counted", "counted"]] * 60


def test_two_runners_that_look_at_once_share_what_is_due(database):
    """Rows that one has locked are passed over by the other, and none is taken twice."""
    work = Workflow(
        name="w", version=1, params=demo.DemoParams, steps=(Outside("wait", lambda run: Wait(600), None, None, 3600),)
    )
    for number in range(40):
        accept(database, work, f"s{number}")
    barrier = threading.Barrier(4)
    taken = []

    def take():
        lessee = queries.Lessee(owner=str(threading.get_ident()), pools=("control",), known=(("w", 1),), lease_s=20.0)
        barrier.wait(10)
        for _ in range(20):
            rows = database.transact(lambda tx: queries.take_due(tx, lessee, lambda found: [(row, None) for row in found]))
            taken.extend(row["id"] for row in rows)
            if len(taken) >= 40:
                return

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)

    assert len(taken) == len(set(taken)) == 40


def test_of_many_accepts_on_one_subject_at_once_one_succeeds(database):
    work = Workflow(name="w", version=1, params=demo.DemoParams, steps=(Record("one", count, None, None, 60),))
    barrier, answers = threading.Barrier(8), []

    def try_it():
        barrier.wait(10)
        try:
            answers.append(accept(database, work, "s1"))
        except errors.Conflict:
            answers.append(None)

    threads = [threading.Thread(target=try_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)

    assert len([answer for answer in answers if answer]) == 1
    assert len(answers) == 8


def test_a_report_that_comes_eight_times_at_once_is_stored_once(database):
    work = Workflow(
        name="w", version=1, params=demo.DemoParams, steps=(Outside("wait", lambda run: Wait(600), None, None, 3600),)
    )
    operation_id = accept(database, work, "s1")
    body = {"step": "wait", "unwinding": False, "turn": 1, "host": "h1"}
    barrier = threading.Barrier(8)

    def send():
        barrier.wait(10)
        database.transact(lambda tx: journal.send_signal(tx, operation_id, "report", body, report_id="r"))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)

    with database.read() as tx:
        assert len(journal.signals_of(tx, operation_id)) == 1


def test_a_deadlock_reruns_the_transaction(database):
    table = demo.NOTES
    for subject in ("a", "b"):
        database.transact(lambda tx, subject=subject: demo.note(tx, subject, "0"))
    barrier = threading.Barrier(2)
    calls = []

    def swap(first, second):
        def work(tx):
            calls.append(1)
            tx.execute(table.update().where(table.c.subject == first).values(what=table.c.what + "1"))
            if len(calls) <= 2:
                barrier.wait(10)
            tx.execute(table.update().where(table.c.subject == second).values(what=table.c.what + "1"))

        database.transact(work)

    threads = [threading.Thread(target=swap, args=pair) for pair in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)

    assert len(calls) == 3
    assert demo.notes(database, "a") == demo.notes(database, "b") == ["011"]


def test_a_parent_counts_its_children_while_they_come_and_go_at_once(database):
    work = Workflow(name="w", version=1, params=demo.DemoParams, steps=(Record("one", count, None, None, 60),))
    runner = Runner(database, Registry((work,)), None, RunnerOptions(slots=4, poll_s=0.1))
    runner.start()
    try:

        def attach(prefix):
            for number in range(10):
                accept(database, work, f"{prefix}{number}", parent=Subject("server", "s"))

        threads = [threading.Thread(target=attach, args=(prefix,)) for prefix in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
        until_none_lives(database)
    finally:
        runner.stop()

    with database.read() as tx:
        assert journal.children_of(tx, "server", "s") == 0


def test_the_journals_clock_is_the_servers_and_goes_on(database):
    with database.read() as tx:
        first = clock.now(tx)
        time.sleep(0.05)
        second = clock.now(tx)

    assert 0.04 < second - first < 5
    assert abs(second - time.time()) < 5
    assert clock.boot_id(database) is None


def test_waits_and_leases_work_in_the_servers_time(database):
    work = Workflow(
        name="w",
        version=1,
        params=demo.DemoParams,
        steps=(Outside("wait", lambda run: Wait(0.2) if run.fence == 1 else None, None, None, 60),),
    )
    operation_id = accept(database, work, "s1")
    runner = Runner(database, Registry((work,)), None)

    first, at_once = runner.run_once(), runner.run_once()
    time.sleep(0.3)
    later = runner.run_once()

    assert (first, at_once, later) == (1, 0, 1)
    with database.read() as tx:
        assert journal.operation(tx, operation_id).outcome == "done"
        assert tx.execute(sa.select(operations.c.boot_id)).scalar_one() is None


def test_a_server_that_is_gone_is_unavailable():
    database = Database("postgresql+psycopg://nova@/none?host=/nonexistent")

    with pytest.raises(errors.Unavailable), database.read():
        pass


def test_history_is_purged(database):
    work = Workflow(name="w", version=1, params=demo.DemoParams, steps=(Record("one", count, None, None, 60),))
    accept(database, work, "s1")
    Runner(database, Registry((work,)), None).run_once()

    assert database.transact(lambda tx: journal.purge(tx, time.time() + 60)) == 1
