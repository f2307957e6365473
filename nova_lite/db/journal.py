"""Queries of the engine: subjects, operations, leases, signals, events, kept answers.

Times compared by the engine are the journal's clock (`db.clock`); ages in days are wall time. What each row means, and
which interleaving each condition is for: docs/develop/engine.md.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from nova_lite.db import clock
from nova_lite.db.engine import Database, Overtaken, Tx
from nova_lite.db.tables.journal import idempotency_keys, kept_answers, operations, signals, step_events, subjects

Row = sa.RowMapping
TAKEN_AT_ONCE = 32
PURGED_AT_ONCE = 500


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lessee:
    """Who takes leases: a runner, the pools it serves and the workflows it knows (name, version)."""

    owner: str
    pools: tuple[str, ...]
    known: tuple[tuple[str, int], ...]
    lease_s: float


@dataclasses.dataclass(frozen=True)
class Guard:
    """What a recording transaction names: whoever holds another lease, signal or turn records nothing."""

    operation_id: str
    lease_number: int
    signal_seq: int
    turn: int


# -- accepting -------------------------------------------------------------------------------------------------------


def insert_subject(tx: Tx, row: Mapping[str, Any]) -> bool:
    """Write a subject's first row; False when there is one."""
    return _insert_unless_there(tx, subjects, row)


def occupy_subject(tx: Tx, kind: str, subject_id: str, operation_id: str, *, closes: bool, childless: bool) -> bool:
    """Make an operation the live one of a subject that has none; False when it has one, is closed or has children."""
    change = _the_subject(kind, subject_id).where(subjects.c.live_operation.is_(None), sa.not_(subjects.c.closed))
    if childless:
        change = change.where(subjects.c.children == 0)
    values = {"live_operation": operation_id} | ({"closed": True} if closes else {})
    return tx.execute(change.values(values)).rowcount == 1


def vacate_subject(tx: Tx, kind: str, subject_id: str, *, fence: int, reopen: bool) -> None:
    """End a subject's operation: none is live, the fence is the last lease's."""
    values: dict[str, Any] = {"live_operation": None, "fence": fence} | ({"closed": False} if reopen else {})
    tx.execute(_the_subject(kind, subject_id).values(values))


def set_parent(tx: Tx, kind: str, subject_id: str, parent: tuple[str, str]) -> None:
    """Write down whose child a subject is."""
    tx.execute(_the_subject(kind, subject_id).values(parent_kind=parent[0], parent_id=parent[1]))


def add_child(tx: Tx, kind: str, subject_id: str) -> bool:
    """Count one more child; False when the parent is closed or has no row."""
    change = _the_subject(kind, subject_id).where(sa.not_(subjects.c.closed))
    return tx.execute(change.values(children=subjects.c.children + 1)).rowcount == 1


def drop_child(tx: Tx, kind: str, subject_id: str) -> None:
    """Count one child less."""
    tx.execute(_the_subject(kind, subject_id).values(children=subjects.c.children - 1))


def subject(tx: Tx, kind: str, subject_id: str) -> Row | None:
    """Read a subject."""
    query = sa.select(subjects).where(subjects.c.kind == kind, subjects.c.id == subject_id)
    return tx.execute(query).mappings().one_or_none()


def live_children(tx: Tx, kind: str, subject_id: str) -> list[str]:
    """List the live operations of a subject's children."""
    query = sa.select(subjects.c.live_operation).where(
        subjects.c.parent_kind == kind, subjects.c.parent_id == subject_id, subjects.c.live_operation.is_not(None)
    )
    return list(tx.execute(query).scalars())


def insert_operation(tx: Tx, row: Mapping[str, Any], *, due: bool, first: bool) -> None:
    """Write an operation, due now or held. Its fence goes on from its subject's; `first`: the subject is new."""
    fence: Any = 0
    if not first:
        of_subject = (subjects.c.kind == row["subject_kind"], subjects.c.id == row["subject_id"])
        fence = sa.select(subjects.c.fence).where(*of_subject).scalar_subquery()
    values = dict(row) | {
        "fence_base": fence,
        "boot_id": clock.boot_id(tx.database),
        "wake_at": clock.now_sql(tx.database) if due else None,
    }
    tx.execute(operations.insert().values(values))


def release_held(tx: Tx, parent: str) -> list[str]:
    """Make due what a parent operation holds; give the ids."""
    held = (operations.c.held_by == parent, operations.c.wake_at.is_(None), operations.c.ended_at.is_(None))
    ids = list(tx.execute(sa.select(operations.c.id).where(*held).order_by(operations.c.id)).scalars())
    if ids:
        tx.execute(operations.update().where(operations.c.id.in_(ids)).values(wake_at=clock.now_sql(tx.database)))
    return ids


def forgotten_parents(tx: Tx) -> list[str]:
    """Find ended operations that still hold others: nobody else would ever release those."""
    parent = operations.alias("parent")
    query = (
        sa.select(operations.c.held_by)
        .distinct()
        .select_from(operations.join(parent, parent.c.id == operations.c.held_by))
        .where(operations.c.wake_at.is_(None), operations.c.ended_at.is_(None), parent.c.ended_at.is_not(None))
    )
    return list(tx.execute(query).scalars())


# -- leases ----------------------------------------------------------------------------------------------------------


def any_due(tx: Tx, lessee: Lessee) -> bool:
    """Whether anything waits for a runner."""
    return tx.execute(sa.select(operations.c.id).where(*_due(tx, lessee)).limit(1)).first() is not None


def waiting_projects(tx: Tx, lessee: Lessee) -> set[str | None]:
    """List the projects whose operations wait for a runner."""
    return set(tx.execute(sa.select(operations.c.project_id).where(*_due(tx, lessee)).distinct()).scalars())


def take_due(tx: Tx, lessee: Lessee, choose: Callable[[Sequence[Row]], Iterable[tuple[Row, float | None]]]) -> list[Row]:
    """Lease due operations: up to 32 are read, class by class, projects in turn; `choose` says which, and each one's deadline.

    A row has, beside its columns, `now`. It is as it was before; its lease number is one higher from here on.
    Where rows can be locked, those that another runner has just read are passed over.
    """
    now = clock.now_sql(tx.database)
    boot = clock.boot_id(tx.database)
    query = _first_due(tx.database.dialect, lessee, own_time=tx.database.own_time, has_boot=boot is not None)
    rows = tx.execute(query, clock.parameters(tx.database) | ({} if boot is None else {"boot": boot})).mappings().all()
    chosen = list(choose(rows))
    if not chosen:
        return []
    change = (
        operations.update()
        .where(operations.c.id == sa.bindparam("its_id"), operations.c.lease_number == sa.bindparam("its_lease"))
        .values(
            lease_owner=lessee.owner,
            lease_number=operations.c.lease_number + 1,
            lease_until=now + lessee.lease_s,
            deadline_at=sa.bindparam("its_deadline"),
        )
    )
    taken = [
        {"its_id": row["id"], "its_lease": row["lease_number"], "its_deadline": deadline}
        for row, deadline in sorted(chosen, key=lambda pair: str(pair[0]["id"]))
    ]
    if tx.execute(change, taken).rowcount != len(taken):
        raise Overtaken  # cannot happen to locked rows
    return [row for row, _ in chosen]


@functools.lru_cache(maxsize=16)
def _first_due(dialect: str, lessee: Lessee, *, own_time: bool, has_boot: bool) -> sa.Select[Any]:
    """Choose 32: in each class the first of every project, then the second of every project, and so on.

    Kept: making it takes longer than running it, and a runner looks whenever it is rung.
    """
    now = clock.now_of(dialect, own_time=own_time)
    due = _due_at(lessee, now, sa.bindparam("boot", type_=operations.c.boot_id.type) if has_boot else None)
    place = sa.func.row_number().over(
        partition_by=(operations.c.priority, operations.c.project_id), order_by=operations.c.wake_at
    )
    order = ("priority", "place", "wake_at")
    all_due = (
        sa.select(operations.c.id, operations.c.priority, operations.c.wake_at, place.label("place"))
        .where(*due)
        .subquery("all_due")
    )
    first = sa.select(all_due).order_by(*(all_due.c[name] for name in order)).limit(TAKEN_AT_ONCE).subquery("first_due")
    query = (
        sa.select(operations, now.label("now"))
        .join(first, first.c.id == operations.c.id)
        .where(*due)
        .order_by(*(first.c[name] for name in order))
    )
    return query if dialect == "sqlite" else query.with_for_update(skip_locked=True, of=operations)


def _due(tx: Tx, lessee: Lessee) -> list[sa.ColumnElement[bool]]:
    return _due_at(lessee, clock.now_sql(tx.database), clock.boot_id(tx.database))


def _due_at(lessee: Lessee, now: sa.ColumnElement[float], boot: Any) -> list[sa.ColumnElement[bool]]:
    known = (sa.and_(operations.c.workflow == name, operations.c.version == number) for name, number in lessee.known)
    conditions = [
        operations.c.pool.in_(lessee.pools),
        operations.c.wake_at <= now,
        sa.or_(operations.c.lease_until.is_(None), operations.c.lease_until < now),
        sa.or_(sa.false(), *known),
    ]
    return conditions if boot is None else [*conditions, operations.c.boot_id == boot]


def renew_leases(tx: Tx, owner: str, ids: Sequence[str], lease_s: float) -> None:
    """Prolong all leases that a runner holds, those named only."""
    mine = (operations.c.lease_owner == owner, operations.c.id.in_(sorted(ids)))
    tx.execute(operations.update().where(*mine).values(lease_until=clock.now_sql(tx.database) + lease_s))


def drop_lease(tx: Tx, operation_id: str, lease_number: int) -> None:
    """Give a lease back and change nothing else; the next runner reads the row anew."""
    mine = (operations.c.id == operation_id, operations.c.lease_number == lease_number, operations.c.ended_at.is_(None))
    tx.execute(operations.update().where(*mine).values(lease_owner=None, lease_until=None))


def adopt_boot(tx: Tx) -> int:
    """After a reboot no old time means anything: leases are over, waiting is over, deadlines start anew."""
    boot = clock.boot_id(tx.database)
    if boot is None:
        return 0
    now = clock.now_sql(tx.database)
    change = (
        operations.update()
        .where(operations.c.ended_at.is_(None), sa.or_(operations.c.boot_id.is_(None), operations.c.boot_id != boot))
        .values(
            boot_id=boot,
            lease_owner=None,
            lease_until=None,
            deadline_at=None,
            wake_at=sa.case((operations.c.wake_at.is_(None), None), else_=now),
        )
    )
    return tx.execute(change).rowcount


# -- recording -------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True)
class Times:
    """Seconds from now that a recording writes down. `lease_s` None: the lease is given back; the others: as in the values."""

    lease_s: float | None
    wake_s: float | None = None
    deadline_s: float | None = None


def record(tx: Tx, guard: Guard, values: Mapping[str, Any], times: Times) -> bool:
    """Write an operation's progress; False, and nothing is written, when the guard does not fit any more."""
    named = {"lease_until": times.lease_s, "wake_at": times.wake_s, "deadline_at": times.deadline_s}
    timed = {name: seconds for name, seconds in named.items() if seconds is not None}
    plain = {name: value for name, value in values.items() if name not in timed}
    if times.lease_s is None:
        plain |= {"lease_owner": None, "lease_until": None}
    statement = _recording(tx.database.dialect, tuple(plain), tuple(timed), own_time=tx.database.own_time)
    parameters: dict[str, Any] = {f"its_{name}": value for name, value in vars(guard).items()}
    parameters |= {f"new_{name}": value for name, value in (plain | timed).items()}
    return tx.execute(statement, parameters | clock.parameters(tx.database)).rowcount == 1


@functools.lru_cache(maxsize=64)
def _recording(dialect: str, plain: tuple[str, ...], timed: tuple[str, ...], *, own_time: bool) -> sa.Update:
    """Make the statement of `record` for some columns; few sets of them come. `timed` are written as seconds from now."""
    now = clock.now_of(dialect, own_time=own_time)
    values: dict[str, Any] = {name: sa.bindparam(f"new_{name}", type_=operations.c[name].type) for name in plain}
    values |= {name: now + sa.bindparam(f"new_{name}", type_=sa.Double()) for name in timed}
    fits = (
        operations.c.id == sa.bindparam("its_operation_id"),
        operations.c.lease_number == sa.bindparam("its_lease_number"),
        operations.c.signal_seq == sa.bindparam("its_signal_seq"),
        operations.c.turn == sa.bindparam("its_turn"),
        operations.c.ended_at.is_(None),
    )
    return operations.update().where(*fits).values(values)


def boot_id(database: Database) -> str | None:
    """Give the boot whose time the rows carry; None where the database has a clock of its own."""
    return clock.boot_id(database)


def standing(tx: Tx, operation_id: str) -> Row | None:
    """Read what a guard compares."""
    query = sa.select(operations.c.lease_number, operations.c.signal_seq, operations.c.turn, operations.c.ended_at)
    return tx.execute(query.where(operations.c.id == operation_id)).mappings().one_or_none()


def insert_events(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write finished steps into the history."""
    if rows:
        tx.execute(step_events.insert(), [dict(row) for row in rows])


# -- signals ---------------------------------------------------------------------------------------------------------


def wake(tx: Tx, ids: Sequence[str]) -> int:
    """Make living operations due now, even those whose runner is about to record that they wait; held ones stay held."""
    if not ids:
        return 0
    return tx.execute(_woken(tx).where(operations.c.id.in_(sorted(ids)))).rowcount


def add_signal(tx: Tx, operation_id: str, row: Mapping[str, Any], place: tuple[str, bool] | None = None) -> bool | None:
    """Write a signal and wake its operation; None when that has ended, False when the signal was dropped.

    Dropped is a report whose id is there already, and one that is not of `place`: the step and direction it answers.
    """
    if tx.execute(_woken(tx).where(operations.c.id == operation_id)).rowcount == 0:
        return None
    values = dict(row) | {"operation_id": operation_id, "seq": operations.c.signal_seq}
    columns = list(values)
    chosen = sa.select(*(_as_column(signals.c[name], values[name]) for name in columns)).where(operations.c.id == operation_id)
    if row.get("report_id") is not None:
        there = sa.select(sa.literal(1)).where(signals.c.report_id == row["report_id"])
        chosen = chosen.where(sa.not_(sa.exists(there)))
    if place is not None:
        chosen = chosen.where(operations.c.step == place[0], operations.c.unwinding == place[1])
    counted = signals.insert().from_select(columns, chosen).execution_options(preserve_rowcount=True)
    return tx.execute(counted).rowcount == 1


def _woken(tx: Tx) -> sa.Update:
    now = clock.now_sql(tx.database)
    wake_at = sa.case((operations.c.wake_at.is_(None), None), else_=now)
    return (
        operations.update()
        .where(operations.c.ended_at.is_(None))
        .values(signal_seq=operations.c.signal_seq + 1, wake_at=wake_at)
    )


def _as_column(column: sa.Column[Any], value: Any) -> sa.ColumnElement[Any]:
    return value if isinstance(value, sa.ColumnElement) else sa.literal(value, column.type)


def select_signals(tx: Tx, ids: Sequence[str]) -> Sequence[Row]:
    """Read all signals of operations, oldest first."""
    if not ids:
        return []
    query = sa.select(signals).where(signals.c.operation_id.in_(sorted(ids))).order_by(signals.c.seq)
    return tx.execute(query).mappings().all()


# -- what there is, and what there was -------------------------------------------------------------------------------


def operation(tx: Tx, operation_id: str) -> Row | None:
    """Read an operation."""
    return tx.execute(sa.select(operations).where(operations.c.id == operation_id)).mappings().one_or_none()


def live_operation(tx: Tx, kind: str, subject_id: str) -> Row | None:
    """Read a subject's live operation."""
    query = (
        sa.select(operations)
        .join(subjects, subjects.c.live_operation == operations.c.id)
        .where(subjects.c.kind == kind, subjects.c.id == subject_id)
    )
    return tx.execute(query).mappings().one_or_none()


def history(tx: Tx, kind: str, subject_id: str) -> Sequence[Row]:
    """Read a subject's operations, newest first."""
    query = sa.select(operations).where(operations.c.subject_kind == kind, operations.c.subject_id == subject_id)
    return tx.execute(query.order_by(operations.c.started_at.desc(), operations.c.id)).mappings().all()


def select_live(tx: Tx, limit: int) -> Sequence[Row]:
    """Read living operations, oldest first."""
    query = sa.select(operations).where(operations.c.ended_at.is_(None))
    return tx.execute(query.order_by(operations.c.started_at, operations.c.id).limit(limit)).mappings().all()


def select_events(tx: Tx, operation_id: str) -> Sequence[Row]:
    """Read an operation's events that were moved into the history, oldest first."""
    query = sa.select(step_events).where(step_events.c.operation_id == operation_id).order_by(step_events.c.id)
    return tx.execute(query).mappings().all()


def unserved(tx: Tx, late_s: float) -> Sequence[Row]:
    """Read operations that have been due for so long without a runner, with `late_s`."""
    late = clock.now_sql(tx.database) - sa.func.coalesce(operations.c.lease_until, operations.c.wake_at)
    query = sa.select(operations, late.label("late_s")).where(operations.c.wake_at.is_not(None), late > late_s)
    return tx.execute(query.order_by(operations.c.wake_at)).mappings().all()


def overdue(tx: Tx) -> Sequence[Row]:
    """Read living operations whose step is past its deadline, with `late_s`: those go on until done."""
    late = clock.now_sql(tx.database) - operations.c.deadline_at
    query = sa.select(operations, late.label("late_s")).where(operations.c.ended_at.is_(None), late > 0)
    return tx.execute(query.order_by(operations.c.deadline_at)).mappings().all()


def purge(tx: Tx, before: float) -> int:
    """Remove some operations that ended before that wall time, with their signals and events; give their number."""
    ended = sa.select(operations.c.id).where(operations.c.ended_at < before).order_by(operations.c.ended_at)
    ids = list(tx.execute(ended.limit(PURGED_AT_ONCE)).scalars())
    if ids:
        tx.execute(signals.delete().where(signals.c.operation_id.in_(ids)))
        tx.execute(step_events.delete().where(step_events.c.operation_id.in_(ids)))
        tx.execute(operations.delete().where(operations.c.id.in_(ids)))
    return len(ids)


# -- kept answers ----------------------------------------------------------------------------------------------------


def insert_answer(tx: Tx, row: Mapping[str, Any]) -> bool:
    """Write a key with its answer to come; False when it is there. Waits for another transaction that writes the same."""
    return _insert_unless_there(tx, kept_answers, row)


def complete_answer(tx: Tx, scope: str, key: str, status: int, answer: str) -> None:
    """Write the answer beside its key."""
    tx.execute(kept_answers.update().where(*_the_answer(scope, key)).values(status=status, answer=answer))


def find_answer(tx: Tx, scope: str, key: str) -> Row | None:
    """Read a kept answer."""
    return tx.execute(sa.select(kept_answers).where(*_the_answer(scope, key))).mappings().one_or_none()


def purge_answers(tx: Tx, before: float) -> int:
    """Remove answers kept before that wall time, of releases before 1.1 too; give the number of ours."""
    tx.execute(idempotency_keys.delete().where(idempotency_keys.c.created_at < before))
    return tx.execute(kept_answers.delete().where(kept_answers.c.created_at < before)).rowcount


def _the_answer(scope: str, key: str) -> tuple[sa.ColumnElement[bool], ...]:
    return kept_answers.c.scope == scope, kept_answers.c.key == key


def _the_subject(kind: str, subject_id: str) -> sa.Update:
    return subjects.update().where(subjects.c.kind == kind, subjects.c.id == subject_id)


def _insert_unless_there(tx: Tx, table: sa.Table, row: Mapping[str, Any]) -> bool:
    insert: sa.Insert
    if tx.database.dialect == "mysql":
        insert = table.insert().prefix_with("IGNORE")
    elif tx.database.dialect == "postgresql":
        insert = postgresql.insert(table).on_conflict_do_nothing()
    else:
        insert = sqlite.insert(table).on_conflict_do_nothing()
    counted = insert.values(dict(row)).execution_options(preserve_rowcount=True)
    return tx.execute(counted).rowcount == 1
