"""The ledger: pairs that only rise, outcomes that are remembered, and a file that may break."""

from __future__ import annotations

import pytest
from unit.compute.stage import OTHER, SERVER, head

from nova_lite.clock import SimulatedClock
from nova_lite.compute.ledger import Entry, Kind, Ledger, Notice, Outcome, task_of
from nova_lite.model.guest import PowerState
from nova_lite.rpc.compute import Tombstone
from nova_lite.rpc.conductor import Fault, Report, TombstoneDone


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path):
    opened = Ledger(path, SimulatedClock())
    yield opened
    opened.close()


def notice(order, number=1):
    report = Report(
        id=f"r{number}",
        host="h1",
        incarnation=1,
        server_id=order.server_id,
        operation_id=order.operation_id,
        step=order.step,
        unwinding=order.unwinding,
        attempt=order.attempt,
        fence=order.fence,
        turn=order.turn,
    )
    return Notice(id=report.id, kind=Kind.REPORT, server_id=order.server_id, message=report)


def conclude(ledger, order, fault=None, number=1):
    outcome = Outcome(attempt=order.attempt, fault=fault, power_state=None if fault else PowerState.RUNNING)
    return ledger.conclude(order.server_id, task_of(order), outcome, notice(order, number))


@pytest.mark.parametrize(
    ("pair", "step", "late"),
    [
        pytest.param((5, 5), "start_guest", False, id="the same command again"),
        pytest.param((5, 5), "other", True, id="the same pair for another step"),
        pytest.param((5, 6), "other", False, id="a higher turn"),
        pytest.param((6, 1), "other", False, id="a higher fence with a lower turn"),
        pytest.param((5, 4), "start_guest", True, id="a lower turn of the same step"),
        pytest.param((4, 9), "start_guest", True, id="a lower fence with a higher turn"),
    ],
)
def test_only_pairs_that_rise_are_taken(ledger, pair, step, late):
    ledger.enter(head(fence=5, turn=5))

    assert ledger.enter(head(fence=pair[0], turn=pair[1], step=step)).late is late


def test_each_server_has_its_own_pair(ledger):
    ledger.enter(head(fence=9))

    assert ledger.enter(head(OTHER, fence=1)) == Entry()


def test_a_success_is_remembered_for_every_attempt(ledger):
    ledger.enter(head())
    conclude(ledger, head())

    assert ledger.enter(head(fence=2, attempt=4)).outcome.power_state is PowerState.RUNNING


def test_a_fault_is_remembered_for_its_own_attempt(ledger):
    ledger.enter(head())
    conclude(ledger, head(), Fault(code="x", message="no"))

    assert ledger.enter(head(fence=2)).outcome.fault.message == "no"
    assert ledger.enter(head(fence=3, attempt=2)).outcome is None


def test_what_came_of_a_task_that_was_replaced_is_not_written(ledger):
    ledger.enter(head(turn=1))
    ledger.enter(head(turn=2, unwinding=True))

    assert not conclude(ledger, head(turn=1))
    assert ledger.list_notices() == ()


def test_pairs_outcomes_and_reports_outlive_the_process(ledger, path):
    ledger.enter(head(fence=7))
    conclude(ledger, head(fence=7))

    later = Ledger(path, SimulatedClock())

    assert later.enter(head(fence=6)).late
    assert later.enter(head(fence=8)).outcome is not None
    assert later.list_notices() == (notice(head(fence=7)),)
    later.close()


def test_a_newer_report_of_a_server_replaces_the_older(ledger):
    ledger.enter(head())
    conclude(ledger, head())
    conclude(ledger, head(), number=2)

    assert [one.id for one in ledger.list_notices()] == ["r2"]


def test_word_of_a_removal_takes_the_place_of_an_older_one_of_its_server(ledger):
    for number, server_id in enumerate([SERVER, SERVER, OTHER]):
        message = TombstoneDone(report_id=f"t{number}", host="h1", server_id=server_id, fence=5, turn=number)
        ledger.add_notice(Notice(id=message.report_id, kind=Kind.TOMBSTONE_DONE, server_id=server_id, message=message))
    ledger.enter(head())
    conclude(ledger, head())

    assert [one.id for one in ledger.list_notices()] == ["t1", "t2", "r1"]


def test_a_dropped_notice_is_gone_and_may_be_dropped_again(ledger):
    ledger.enter(head())
    conclude(ledger, head())

    ledger.drop_notice("r1")
    ledger.drop_notice("r1")

    assert ledger.list_notices() == ()


@pytest.mark.parametrize(("fence", "taken"), [(1, False), (2, True), (3, True)])
def test_a_tombstone_is_obeyed_unless_the_server_has_a_higher_pair(ledger, fence, taken):
    ledger.enter(head(fence=2))

    assert ledger.enter_tombstone(Tombstone(server_id=SERVER, fence=fence, turn=1)) is taken


def test_a_command_older_than_a_tombstone_is_late(ledger):
    ledger.enter_tombstone(Tombstone(server_id=SERVER, fence=5, turn=1))

    assert ledger.enter(head(fence=4)).late


def test_servers_that_left_long_ago_are_forgotten(path):
    clock = SimulatedClock()
    ledger = Ledger(path, clock)
    ledger.enter(head(SERVER))
    ledger.enter(head(OTHER))
    clock.sleep(100_000)
    ledger.enter(head("33333333-2222-4333-8444-555555555555"))

    assert ledger.forget_absent({SERVER}) == 1
    assert ledger.enter(head(SERVER, fence=0)).late
    ledger.close()


@pytest.mark.parametrize("damage", [b"this is no database at all" * 400, b"SQLite format 3\0" + b"\xff" * 8000])
def test_a_damaged_ledger_is_put_aside(path, damage):
    path.write_bytes(damage)

    ledger = Ledger(path, SimulatedClock())

    assert ledger.enter(head()) == Entry()
    assert path.with_suffix(".damaged").read_bytes() == damage
    ledger.close()


def test_the_ledger_is_for_its_owner_only(ledger, path):
    assert path.stat().st_mode & 0o077 == 0
