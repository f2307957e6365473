"""Stories told of records as they stand in the database."""

from __future__ import annotations

import pytest

from nova_lite.cli.story import lines
from nova_lite.durable.progress import State, Tried
from nova_lite.durable.story import Record
from nova_lite.model.ids import HostName
from nova_lite.workflows.story import tell

ROW = {
    "id": "op-1",
    "workflow": "start",
    "subject_kind": "server",
    "subject_id": "server-1",
    "request_id": "req-1",
    "user_id": "user-1",
    "project_id": "project-1",
    "params": {},
    "results": {},
    "step": "power_on",
    "unwinding": False,
    "attempt": 1,
    "held_by": None,
    "lease_owner": None,
    "started_at": 100.0,
    "ended_at": None,
    "outcome": None,
    "message": None,
    "wake_in_s": 12.0,
    "left_s": 90.0,
    "leased_s": None,
}


def record(*, state=None, events=(), signals=(), **row):
    return Record(row=ROW | row, state=state or State(), events=tuple(events), signals=tuple(signals))


def texts(story, kind):
    return [entry.text for entry in story.entries if entry.kind == kind]


def event(outcome, at=105.0, **more):
    plain = {"step": "power_on", "unwinding": False, "attempt": 1, "started_at": 101.0, "ended_at": at, "outcome": outcome}
    return plain | {"host": None, "message": None} | more


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"state": State(waits_for=HostName("h1"))}, "power_on: waits for h1, looks again in 12 s; 90 s left of its time"),
        ({"state": State(away="the broker", frozen_left_s=7.0)}, "power_on: stands still, not answering: the broker, looks "),
        ({"lease_owner": "c:1", "leased_s": 9.0}, "power_on: in the hands of c:1"),
        ({"lease_owner": "c:1", "leased_s": -9.0}, "power_on: left by c:1, waits for another conductor"),
        ({"wake_in_s": None, "held_by": "op-0"}, "power_on: held until operation op-0 releases it"),
        ({"wake_in_s": -33.0}, "power_on: due for 33 s, waits for a conductor"),
        ({"attempt": 3, "unwinding": True}, "undo of power_on (attempt 3): waits, looks again in 12 s"),
    ],
)
def test_what_an_operation_waits_for_is_said(changes, expected):
    assert tell(record(**changes)).now.text.startswith(expected)


def test_the_time_left_is_what_stands_still():
    assert tell(record(state=State(away="the broker", frozen_left_s=7.0))).now.deadline_in_s == 7.0


def test_entries_come_in_order_whatever_they_were_read_from():
    command = {"fact": "command", "at": 102.0, "last": 162.0, "count": 3, "host": "h1", "name": "power_on"}
    state = State(facts=(command | {"step": "power_on", "unwinding": False, "attempt": 1, "turn": 1},))
    report = {"name": "report", "created_at": 104.0, "body": {"host": "h1", "step": "power_on", "worked_s": 2.0}}

    story = tell(record(state=state, events=[event("done")], signals=[report]))

    assert [entry.kind for entry in story.entries] == ["accepted", "command", "report", "step"]
    assert texts(story, "command") == ["power_on sent to h1 for power_on, 3 times within 60 s"]
    assert texts(story, "report") == ["h1 reports power_on done: worked 2.00 s"]
    assert (story.totals.commands, story.totals.host_worked_s) == (3, 2.0)


def test_a_report_of_an_older_host_says_what_it_can():
    report = {"name": "report", "created_at": 104.0, "body": {"host": "h1", "step": "power_on"}}

    assert texts(tell(record(signals=[report])), "report") == ["h1 reports power_on done"]


def test_an_operation_that_nobody_served_for_long_says_so():
    lease = {"fact": "lease", "at": 140.0, "owner": "c:2", "number": 2, "late_s": 38.0}

    assert texts(tell(record(state=State(facts=(lease,)))), "lease") == ["taken up by c:2 after 38 s without any"]


def test_a_result_that_was_undone_is_told_where_it_was_made():
    undone = {"fact": "undone", "at": 120.0, "step": "claim_host", "kind": "Claimed", "value": {"host": "h1"}}
    events = [event("done", 105.0, step="claim_host"), event("done", 125.0, step="claim_host")]

    story = tell(
        record(
            state=State(facts=(undone,)),
            events=events,
            results={"claim_host": {"kind": "Claimed", "value": {"host": "h2"}}},
        )
    )

    assert [(entry.at, entry.text) for entry in story.entries if entry.kind == "claim"] == [
        (105.0, "room claimed on h1"),
        (125.0, "room claimed on h2"),
    ]


def test_the_end_names_the_hosts_that_were_tried():
    state = State(tried=(Tried(host=HostName("h1"), reason="its disk is broken"),))

    story = tell(record(state=state, ended_at=130.0, outcome="failed", message="No host.", wake_in_s=None))

    assert (story.entries[-1].text, story.entries[-1].details) == (
        "start failed after 30 s: No host.",
        ("tried h1: its disk is broken",),
    )
    assert story.now is None


def test_lines_have_the_time_of_day_and_sums():
    said = lines(tell(record(events=[event("transient", message="busy")])))

    assert said[0] == "start of server server-1"
    assert "00:01:45.000  step      power_on failed, is tried again in 4.00 s: busy" in said
    assert said[-1].startswith("in all        1 attempts of steps, 0 commands")


def test_who_asked_is_told_as_far_as_it_is_known():
    asked = {"name": "delete", "created_at": 101.0, "body": {"user_id": "u", "request_id": "req-2"}}
    cancelled = {"name": "cancel", "created_at": 102.0, "body": {}}

    assert texts(tell(record(signals=[asked, cancelled])), "signal") == [
        "delete asked by user u, request req-2",
        "cancel asked by an operator or another operation",
    ]
