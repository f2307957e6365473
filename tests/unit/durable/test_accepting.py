"""ENGINE rules: rows, accepting, children, held operations, idempotency, history."""

from __future__ import annotations

import dataclasses

import pytest
from workflows.demo import DemoParams

from nova_lite import errors
from nova_lite.conductor.reconcilers import history
from nova_lite.db import journal as queries
from nova_lite.durable import idempotency, journal
from nova_lite.durable.journal import Subject
from nova_lite.durable.workflow import Done, Outside, Record, StepFailed, Wait, Workflow
from nova_lite.model.ids import ServerId

PARENT = Subject("thing", "s1")


def live(database, subject="s1"):
    with database.read() as tx:
        return journal.live_operation(tx, "thing", subject)


def ended(database, operation_id):
    with database.read() as tx:
        return journal.operation(tx, operation_id)


def test_a_subject_has_one_live_operation(accept, quick):
    accept(quick)

    with pytest.raises(errors.Conflict):
        accept(quick)


def test_a_subject_is_free_again_once_its_operation_has_ended(database, accept, quick, runner_of):
    first = accept(quick)
    runner_of(quick).run_once()

    second = accept(quick)

    assert ended(database, first).outcome == "done"
    assert live(database).id == second


def test_subjects_outlive_their_operations_and_their_fence_never_falls(database, accept, quick, runner_of):
    fences = []
    for _ in range(3):
        operation_id = accept(quick)
        runner_of(quick).run_once()
        fences.append(ended(database, operation_id).fence)

    with database.read() as tx:
        subject = queries.subject(tx, "thing", "s1")
    assert fences == [1, 2, 3]
    assert subject["fence"] == 3


def test_what_is_accepted_in_a_transaction_that_fails_never_was(database, quick):
    def work(tx):
        params = DemoParams(thing=ServerId("s1"))
        journal.accept(tx, journal.NewOperation(workflow=quick, subject_kind="thing", subject_id="s1", params=params))
        raise ValueError

    with pytest.raises(ValueError):
        database.transact(work)

    assert live(database) is None


def test_children_of_one_parent_run_side_by_side(database, accept, quick):
    accept(quick, "a1", parent=PARENT)
    accept(quick, "a2", parent=PARENT)

    with database.read() as tx:
        assert journal.children_of(tx, "thing", "s1") == 2


def test_the_parent_counts_a_child_less_when_its_operation_ends(database, accept, quick, runner_of):
    accept(quick, "a1", parent=PARENT)
    accept(quick, "a2", parent=PARENT)

    runner_of(quick).run_once()

    with database.read() as tx:
        assert journal.children_of(tx, "thing", "s1") == 0


def test_what_moves_the_guest_is_refused_while_there_are_children(accept, quick):
    accept(quick, "a1", parent=PARENT)

    with pytest.raises(errors.Conflict):
        accept(quick, "s1", closes=True)


def test_what_does_not_close_its_subject_runs_beside_its_children(accept, quick):
    accept(quick, "a1", parent=PARENT)

    assert accept(quick, "s1")


def test_a_closed_parent_takes_no_children(accept, quick):
    accept(quick, "s1", closes=True)

    with pytest.raises(errors.Conflict):
        accept(quick, "a1", parent=PARENT)


def test_the_parent_opens_again_when_what_closed_it_ends(accept, quick, runner_of):
    accept(quick, "s1", closes=True)
    runner_of(quick).run_once()

    assert accept(quick, "a1", parent=PARENT)


def test_after_its_end_a_subject_never_opens_again(accept, quick, runner_of):
    accept(quick, "s1", ends=True)
    runner_of(quick).run_once()

    with pytest.raises(errors.Conflict):
        accept(quick, "a1", parent=PARENT)
    with pytest.raises(errors.Conflict):
        accept(quick, "s1")


def test_a_delete_cancels_the_children_and_is_woken_by_the_last_one(database, accept, quick, runner_of):
    def wait_for_children(run):
        with database.read() as tx:
            return Wait(300) if journal.children_of(tx, "thing", run.subject_id) else Done()

    delete = Workflow(
        name="end", version=1, params=quick.params, steps=(Outside("wait", wait_for_children, None, None, 60, commits=True),)
    )
    attach = Workflow(
        name="attach",
        version=1,
        params=quick.params,
        steps=(Outside("wait", lambda run: Wait(300), None, None, 600),),
    )
    runner = runner_of(delete, attach)
    child = accept(attach, "a1", parent=PARENT)
    runner.run_once()
    end = accept(delete, "s1", ends=True)

    for _ in range(4):
        runner.run_once()

    assert ended(database, child).outcome == "cancelled"
    assert ended(database, end).outcome == "done"


def test_held_operations_do_not_run_until_their_parent_releases_them(database, accept, quick, runner_of):
    parent = journal.new_id()
    child = accept(quick, "s1", held_by=parent)
    runner = runner_of(quick)
    database.clock.now += 10_000
    before = runner.run_once()

    released = database.transact(lambda tx: journal.release(tx, parent))

    assert before == 0
    assert released == (child,)
    assert runner.run_once() == 1
    assert ended(database, child).outcome == "done"


def test_releasing_twice_releases_once(database, accept, quick):
    parent = journal.new_id()
    accept(quick, "s1", held_by=parent)
    database.transact(lambda tx: journal.release(tx, parent))

    assert database.transact(lambda tx: journal.release(tx, parent)) == ()


def test_a_held_child_with_a_delete_signal_ends_without_starting(database, accept, runner_of, quick):
    called, deleted = [], []
    boot = Workflow(
        name="boot",
        version=1,
        params=quick.params,
        steps=(Outside("act", called.append, called.append, None, 60),),
        on_delete=lambda run: deleted.append(run.operation_id),
    )
    parent = journal.new_id()
    child = accept(boot, "s1", held_by=parent)
    runner = runner_of(boot)
    database.transact(lambda tx: journal.send_signal(tx, child, "delete", {}))
    before = runner.run_once()
    database.transact(lambda tx: journal.release(tx, parent))

    runner.run_once()

    assert before == 0
    assert called == []
    assert deleted == [child]
    assert ended(database, child).outcome == "cancelled"


def test_what_an_ended_parent_forgot_is_released(database, accept, quick, runner_of):
    parent = accept(quick, "p1")
    child = accept(quick, "s1", held_by=parent)
    runner_of(quick).run_once()
    database.clock.now += 100

    runner_of(quick).run_once()

    assert ended(database, child).outcome == "done"


TICKET = idempotency.Ticket(scope="s" * 64, key="k" * 64, fingerprint="f" * 64)


def done(tx, answer="first", ticket=TICKET):
    idempotency.reserve(tx, ticket)
    idempotency.keep(tx, ticket, 202, answer)


def test_an_idempotency_key_gives_the_first_answer_again(database):
    database.transact(done)

    with database.read() as tx:
        assert idempotency.recall(tx, TICKET) == "first"
        assert idempotency.recall(tx, dataclasses.replace(TICKET, scope="other")) is None


def test_an_idempotency_key_for_another_request_is_refused(database):
    database.transact(done)

    with database.read() as tx, pytest.raises(errors.Unprocessable):
        idempotency.recall(tx, dataclasses.replace(TICKET, fingerprint="g" * 64))


def test_a_request_that_was_done_meanwhile_is_not_done_again(database):
    database.transact(done)

    with pytest.raises(idempotency.AlreadyDone):
        database.transact(lambda tx: done(tx, "second"))
    with database.read() as tx:
        assert idempotency.recall(tx, TICKET) == "first"


def test_answers_are_kept_a_day_and_operations_longer(database, accept, quick, runner_of):
    operation_id = accept(quick)
    runner_of(quick).run_once()
    database.transact(done)
    database.clock.now += 23 * 3600
    history.reconcile(database)
    with database.read() as tx:
        assert idempotency.recall(tx, TICKET) == "first"

    database.clock.now += 2 * 3600
    history.reconcile(database)

    with database.read() as tx:
        assert idempotency.recall(tx, TICKET) is None
        assert journal.operation(tx, operation_id).outcome == "done"


def test_history_and_events_are_kept_and_purged_when_old(database, accept, quick, runner_of):
    operation_id = accept(quick)
    runner_of(quick).run_once()
    with database.read() as tx:
        [row] = journal.history(tx, "thing", "s1")
        [event] = journal.events(tx, operation_id)
    database.clock.now += 31 * 86400

    removed = database.transact(lambda tx: journal.purge(tx, database.clock.wall() - 30 * 86400))

    assert (row.id, event.outcome) == (operation_id, "done")
    assert removed == 1
    with database.read() as tx:
        assert journal.history(tx, "thing", "s1") == ()
        assert queries.subject(tx, "thing", "s1")


def test_living_operations_are_not_purged(database, accept, quick):
    accept(quick)
    database.clock.now += 365 * 86400

    assert database.transact(lambda tx: journal.purge(tx, database.clock.wall())) == 0


def test_a_runner_serves_only_its_pools(accept, quick, runner_of):
    accept(quick)

    assert runner_of(quick, pools=("image@store",)).run_once() == 0
    assert runner_of(quick, pools=("image@store", "control")).run_once() == 1


def test_a_runner_leaves_versions_that_it_does_not_know_to_others(database, accept, quick, runner_of):
    newer = Workflow(name="quick", version=2, params=quick.params, steps=quick.steps)
    accept(newer)
    database.clock.now += 60

    with database.read() as tx:
        late = journal.unserved(tx, 30)

    assert runner_of(quick).run_once() == 0
    assert [row.version for row in late] == [2]
    assert runner_of(quick, newer).run_once() == 1


def test_secrets_among_the_parameters_are_emptied_at_the_end(database, accept, runner_of):
    @dataclasses.dataclass(frozen=True)
    class Params:
        name: str
        password: str | None = dataclasses.field(default=None, metadata={"secret": True})

    seen = []
    workflow = Workflow(
        name="w",
        version=1,
        params=Params,
        steps=(Record("look", lambda run: seen.append(run.params.password), None, None, 60),),
    )
    operation_id = accept(workflow, params=Params("n", "swordfish"))

    runner_of(workflow).run_once()

    with database.read() as tx:
        row = queries.operation(tx, operation_id)
    assert seen == ["swordfish"]
    assert row["params"] == {"name": "n", "password": None}


def test_a_failed_operation_says_why(database, accept, quick, runner_of):
    def fail(_run):
        raise StepFailed("No room.", code=409)

    workflow = Workflow(name="w", version=1, params=quick.params, steps=(Record("fail", fail, None, None, 60),))
    operation_id = accept(workflow)

    runner_of(workflow).run_once()

    row = ended(database, operation_id)
    assert (row.outcome, row.message) == ("failed", "No room.")
