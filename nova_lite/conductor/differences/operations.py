"""Differences of the engine's rows: subjects, operations, and servers that no operation will ever settle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nova_lite.conductor.differences.kind import Difference, Kind
from nova_lite.db import differences as queries
from nova_lite.db import outbox
from nova_lite.db.engine import Tx
from nova_lite.durable import journal
from nova_lite.model.server import Fault, ServerState
from nova_lite.servers import records
from nova_lite.workflows import delete

CHECK = "operations"
BY_ITSELF = "`nova-lite doctor --repair`; a conductor does it within two minutes"
# Where nobody knows under which fence a lost operation last commanded, commands go on far above it (ENGINE.md, Commands).
FENCE_LEAP = 1_000_000
OUTBOX_S = 120.0  # longer than a dead conductor is waited for


def _unserved(tx: Tx) -> Iterator[Difference]:
    for one in journal.unserved(tx):
        problem = f"{one.workflow} of {one.subject_id} waits for a conductor for {one.late_s:.0f} s."
        yield Difference(check=CHECK, subject=one.id, problem=problem, help="is nova-lite-conductor running?")


def _overdue(tx: Tx) -> Iterator[Difference]:
    for one in journal.overdue(tx):
        away = f"; {one.away} does not answer" if one.away else ""
        problem = f"{one.workflow} of {one.subject_id} is late by {one.late_s:.0f} s in step {one.step}{away}."
        yield Difference(check=CHECK, subject=one.id, problem=problem, help=f"nova-lite operation show {one.id}")


def _stuck_outbox(tx: Tx) -> Iterator[Difference]:
    count, oldest = outbox.standing(tx)
    age_s = 0.0 if oldest is None else tx.database.clock.wall() - oldest
    if age_s > OUTBOX_S:
        problem = f"{count} notifications wait, the oldest for {age_s:.0f} s."
        remedy = "does the broker take them, and is [broker] notifications on for the conductors?"
        yield Difference(check=CHECK, subject="outbox", problem=problem, help=remedy)


def _dead_subjects(tx: Tx) -> Iterator[Difference]:
    for row in queries.dead_subjects(tx):

        def mend(tx: Tx, row: Any = row) -> str | None:
            last = row["last_fence"]
            fence = row["fence"] + FENCE_LEAP if last is None else max(row["fence"], last)
            return REPAIRS["dead_subject"] if queries.change_subject(tx, row, live_operation=None, fence=fence) else None

        problem = f"The {row['kind']} {row['id']} is held by operation {row['live_operation']}, which has ended or is gone."
        yield _mendable("dead_subject", row["id"], problem, mend)


def _closed_subjects(tx: Tx) -> Iterator[Difference]:
    for row in queries.closed_subjects(tx):

        def mend(tx: Tx, row: Any = row) -> str | None:
            return REPAIRS["closed_subject"] if queries.change_subject(tx, row, closed=False) else None

        problem = f"The {row['kind']} {row['id']} takes no operations, though none is moving or ending it."
        yield _mendable("closed_subject", row["id"], problem, mend)


def _miscounted(tx: Tx) -> Iterator[Difference]:
    for row in queries.miscounted_parents(tx):

        def mend(tx: Tx, row: Any = row) -> str | None:
            return REPAIRS["children"] if queries.change_subject(tx, row, children=row["counted"]) else None

        problem = f"The {row['kind']} {row['id']} counts {row['children']} operations of its parts; {row['counted']} live."
        yield _mendable("children", row["id"], problem, mend)


def _forgotten(tx: Tx) -> Iterator[Difference]:
    for row in queries.forgotten_operations(tx):

        def mend(tx: Tx, row: Any = row) -> str | None:
            return REPAIRS["forgotten_operation"] if queries.wake_forgotten(tx, row["id"]) else None

        problem = f"{row['workflow']} of {row['subject_id']} waits for an operation that has ended or is gone."
        yield _mendable("forgotten_operation", row["id"], problem, mend)


def _stray(tx: Tx) -> Iterator[Difference]:
    for row in queries.stray_operations(tx):

        def mend(tx: Tx, row: Any = row) -> str | None:
            return REPAIRS["stray_operation"] if queries.adopt_operation(tx, row) else None

        if row["rival"] is None:
            problem = f"{row['workflow']} of {row['subject_id']} lives, but its subject does not know it."
            yield _mendable("stray_operation", row["id"], problem, mend)
        else:
            problem = f"{row['workflow']} of {row['subject_id']} lives beside operation {row['rival']}."
            yield Difference(check=CHECK, subject=row["id"], problem=problem, help=f"nova-lite operation cancel {row['id']}")


def _stuck(tx: Tx) -> Iterator[Difference]:
    for row in queries.stuck_servers(tx):

        def mend(tx: Tx, row: Any = row) -> str | None:
            message = "The build was lost: no operation was left to finish it."
            fault = Fault(code=500, message=message, details=None, created_at=tx.database.clock.wall())
            # With the host on record a delete removes what the lost build may have left there.
            records.update(tx, row["id"], state=ServerState.ERROR, fault=fault, host=row["host"])
            return REPAIRS["stuck_server"]

        problem = f"Server {row['id']} is being built, but no operation builds it."
        yield _mendable("stuck_server", row["id"], problem, mend)


def _unread_deletes(tx: Tx) -> Iterator[Difference]:
    seen: set[str] = set()
    for row in queries.unread_deletes(tx):
        if row["subject_id"] in seen:
            continue
        seen.add(row["subject_id"])

        def mend(tx: Tx, row: Any = row) -> str | None:
            server = records.get(tx, row["subject_id"])
            delete.begin_asked(tx, server, row["body"])
            return REPAIRS["unread_delete"]

        problem = f"A delete of server {row['subject_id']} was accepted, and nobody carries it out."
        yield _mendable("unread_delete", row["subject_id"], problem, mend)


def _mendable(kind: str, subject: str, problem: str, mend: Any) -> Difference:
    return Difference(check=CHECK, subject=subject, problem=problem, help=BY_ITSELF, repair=REPAIRS[kind], mend=mend)


REPAIRS = {
    "dead_subject": "let the subject go, so that new operations are taken",
    "closed_subject": "open it again",
    "children": "count anew",
    "forgotten_operation": "let it run",
    "stray_operation": "make it the subject's live operation",
    "stuck_server": "settle it as ERROR with a fault that says so",
    "unread_delete": "begin the delete",
}
MEANINGS = {
    "dead_subject": "a subject whose live operation has ended or is gone",
    "closed_subject": "a server closed to operations without reason",
    "children": "a count of running part operations that is wrong",
    "forgotten_operation": "an operation held by one that has ended or is gone",
    "stray_operation": "a living operation that its subject does not know",
    "stuck_server": "a server in BUILD without an operation",
    "unread_delete": "an accepted delete that nobody carries out",
}
_FIND = {
    "dead_subject": _dead_subjects,
    "closed_subject": _closed_subjects,
    "children": _miscounted,
    "forgotten_operation": _forgotten,
    "stray_operation": _stray,
    "stuck_server": _stuck,
    "unread_delete": _unread_deletes,
}
# What lets others be mended comes first: a subject is let go before its server is settled.
KINDS = (
    Kind(name="unserved", meaning="an operation that is due and that no conductor takes", find=_unserved, repair=None),
    Kind(name="overdue", meaning="a step past its deadline that goes on none the less", find=_overdue, repair=None),
    Kind(name="stuck_outbox", meaning="notifications that nobody sends", find=_stuck_outbox, repair=None),
    *(Kind(name=name, meaning=MEANINGS[name], find=find, repair=REPAIRS[name]) for name, find in _FIND.items()),
)
