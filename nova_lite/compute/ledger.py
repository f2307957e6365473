"""What a host remembers for certain: the greatest pair (fence, turn) of each server, what came of it, and unsent reports.

A pair is stored before anything is done for it (ENGINE.md, Commands and reports). Of each server only the newest step is
kept: commands of earlier ones have a lower pair and are refused.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import logging
import sqlite3
import threading
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import orjson

from nova_lite.clock import Clock
from nova_lite.model import wire
from nova_lite.model.guest import PowerState
from nova_lite.model.ids import ServerId
from nova_lite.rpc.commands import CommandHead
from nova_lite.rpc.compute import Tombstone
from nova_lite.rpc.conductor import Fault, GuestPassword, Report, TombstoneDone

LOG = logging.getLogger(__name__)
T = TypeVar("T")
SCHEMA = """
CREATE TABLE IF NOT EXISTS pairs (
    server_id TEXT PRIMARY KEY,
    fence INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    operation_id TEXT NOT NULL,
    step TEXT NOT NULL,
    unwinding INTEGER NOT NULL,
    outcome TEXT,
    changed_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS outbox (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    server_id TEXT NOT NULL,
    body TEXT NOT NULL
);
"""
KEPT_S = 86400.0
TOMBSTONE = "tombstone"


class Kind(enum.StrEnum):
    """What waits in the outbox."""

    REPORT = "report"
    TOMBSTONE_DONE = "tombstone_done"
    FROM_GUEST = "from_guest"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """What a command is about: commands that agree in all of this are one piece of work."""

    operation_id: str
    step: str
    unwinding: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a task; a fault counts for the attempt that met it, a success for all."""

    attempt: int
    fault: Fault | None = None
    power_state: PowerState | None = None
    worked_s: float | None = None
    image_bytes: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """What the ledger says to a command: refused as late, done before (with its outcome), or neither."""

    late: bool = False
    outcome: Outcome | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Notice:
    """A message that is repeated until it is acknowledged by its id."""

    id: str
    kind: Kind
    server_id: ServerId
    message: Report | TombstoneDone | GuestPassword


def task_of(head: CommandHead) -> Task:
    """Give the task that a command belongs to."""
    return Task(operation_id=head.operation_id, step=head.step, unwinding=head.unwinding)


class Ledger:
    """The file. Its methods are transactions that a power cut does not undo; any thread may call them."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Open it, or make it. A damaged one is put aside: commands of before are refused by their incarnation."""
        self._clock = clock
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._connection = _open(path)
        except sqlite3.DatabaseError:
            LOG.warning("The ledger is damaged; it is put aside and begun anew.")
            _put_aside(path)
            self._connection = _open(path)

    def enter(self, head: CommandHead) -> Entry:
        """Store a command's pair, unless a higher one is known, and say what is known of its task. May be repeated."""
        with self._transaction() as db:
            row = _row(db, head.server_id)
            pair, task = (head.fence, head.turn), task_of(head)
            if row is None:
                self._store(db, head.server_id, pair, task)
                return Entry()
            known, same = (row["fence"], row["turn"]), _task(row) == task
            if pair < known or (pair == known and not same):
                return Entry(late=True)
            outcome = _outcome(row) if same else None
            if outcome is not None and outcome.fault is not None and outcome.attempt < head.attempt:
                outcome = None
            if pair != known:
                self._store(db, head.server_id, pair, task, outcome)
            return Entry(outcome=outcome)

    def enter_tombstone(self, tombstone: Tombstone) -> bool:
        """Store a tombstone's pair; False when the server has been commanded under a higher one since. May be repeated."""
        with self._transaction() as db:
            row = _row(db, tombstone.server_id)
            pair = (tombstone.fence, tombstone.turn)
            if row is not None and (row["fence"], row["turn"]) > pair:
                return False
            self._store(db, tombstone.server_id, pair, Task(operation_id=TOMBSTONE, step=TOMBSTONE, unwinding=True))
            return True

    def conclude(self, server_id: ServerId, task: Task, outcome: Outcome, notice: Notice) -> bool:
        """Store what came of a task together with its report; False when another task has taken its place since."""
        with self._transaction() as db:
            row = _row(db, server_id)
            if row is None or _task(row) != task:
                return False
            db.execute("UPDATE pairs SET outcome = ? WHERE server_id = ?", (_text(outcome), server_id))
            _put(db, notice)
            return True

    def add_notice(self, notice: Notice) -> None:
        """Store a message to be sent, in the place of an older one of its server and kind."""
        with self._transaction() as db:
            _put(db, notice)

    def drop_notice(self, notice_id: str) -> None:
        """Forget a message that was acknowledged. May be repeated."""
        with self._transaction() as db:
            db.execute("DELETE FROM outbox WHERE id = ?", (notice_id,))

    def list_notices(self) -> tuple[Notice, ...]:
        """List the messages that nobody has acknowledged, oldest first."""
        with self._transaction() as db:
            return tuple(_notice(row) for row in db.execute("SELECT * FROM outbox ORDER BY rowid"))

    def forget_absent(self, present: Collection[ServerId]) -> int:
        """Forget servers that are not here and were not commanded for a day; give their number.

        Only for a daemon that starts: older commands are refused by their incarnation anyway.
        """
        with self._transaction() as db:
            rows = db.execute("SELECT server_id FROM pairs WHERE changed_at < ?", (self._clock.wall() - KEPT_S,)).fetchall()
            gone = [(row["server_id"],) for row in rows if row["server_id"] not in present]
            db.executemany("DELETE FROM pairs WHERE server_id = ?", gone)
            return len(gone)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            with self._connection:  # commits, or rolls back
                yield self._connection

    def _store(
        self, db: sqlite3.Connection, server_id: str, pair: tuple[int, int], task: Task, outcome: Outcome | None = None
    ) -> None:
        values = (server_id, *pair, task.operation_id, task.step, task.unwinding, _text(outcome), self._clock.wall())
        db.execute("INSERT OR REPLACE INTO pairs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)


def _open(path: Path) -> sqlite3.Connection:
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(SCHEMA)
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _put_aside(path: Path) -> None:
    path.replace(path.with_suffix(".damaged"))
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _row(db: sqlite3.Connection, server_id: str) -> Any:
    return db.execute("SELECT * FROM pairs WHERE server_id = ?", (server_id,)).fetchone()


def _task(row: sqlite3.Row) -> Task:
    return Task(operation_id=row["operation_id"], step=row["step"], unwinding=bool(row["unwinding"]))


def _outcome(row: sqlite3.Row) -> Outcome | None:
    return wire.from_plain(Outcome, orjson.loads(row["outcome"])) if row["outcome"] else None


def _text(value: object) -> str | None:
    return None if value is None else orjson.dumps(wire.to_plain(value)).decode("utf-8")


def _put(db: sqlite3.Connection, notice: Notice) -> None:
    db.execute("DELETE FROM outbox WHERE server_id = ? AND kind = ?", (notice.server_id, notice.kind))
    values = (notice.id, notice.kind, notice.server_id, _text(notice.message))
    db.execute("INSERT INTO outbox VALUES (?, ?, ?, ?)", values)


_MESSAGES: Mapping[Kind, Any] = {
    Kind.REPORT: Report,
    Kind.TOMBSTONE_DONE: TombstoneDone,
    Kind.FROM_GUEST: GuestPassword,
}


def _notice(row: sqlite3.Row) -> Notice:
    kind = Kind(row["kind"])
    message: Report | TombstoneDone | GuestPassword = wire.from_plain(_MESSAGES[kind], orjson.loads(row["body"]))
    return Notice(id=row["id"], kind=kind, server_id=ServerId(row["server_id"]), message=message)
