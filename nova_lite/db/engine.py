"""The database behind the control daemons: one engine a process, reads and whole transactions.

SQLite (WAL, synchronous=FULL, BEGIN IMMEDIATE for writes only) on one machine; PostgreSQL or MariaDB (READ COMMITTED)
when there is more than one control node. Only `nova_lite.db` imports SQLAlchemy; other rooms pass a `Tx` along.

The ambiguous commit: when the connection breaks between sending COMMIT and its answer, nobody can tell whether the
transaction happened. It is never rerun here; `transact` raises Unavailable, and whoever called must be able to look:
an API request by its idempotency key, a runner by the operation's turn, which rises with all that it records.

`jointly` makes one transaction of all that a piece of work does here, without its having to know (decision 9).
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event, exc

from nova_lite import errors
from nova_lite.clock import Clock, SystemClock

LOG = logging.getLogger(__name__)
T = TypeVar("T")
RERUNS = 10
BUSY_TIMEOUT_S = 30  # how long SQLite waits for another writer; each is done in milliseconds
LOCK_TIMEOUT_S = 5  # how long a server waits for a row's lock before the transaction is rerun
ANSWER_S = 7  # how long we wait for a server's answer to one statement; longer than it waits for a lock
CONNECT_S = 5
PATIENT_S = 3600  # ... to one of a migration
POOL_SIZE = 16
DATABASE = "the database"  # what is waited for, as an operation's events say it
# PostgreSQL: serialization failure, deadlock, lock not available. MariaDB: lock wait, deadlock, record changed.
RERUN_SQLSTATES = ("40001", "40P01", "55P03")
RERUN_NUMBERS = (1205, 1213, 1020)
RERUN_SQLITE = ("SQLITE_BUSY", "SQLITE_LOCKED")
READ_ONLY_SQLSTATE = "25006"  # PostgreSQL after a fail-over, until this server is the primary; psycopg calls it internal
# Wrong statements that PyMySQL calls operational: unknown table or column, duplicate name, wrong value, missing default...
MARIADB_MISTAKES = (1050, 1051, 1054, 1060, 1061, 1068, 1072, 1091, 1136, 1146, 1292, 1364, 1365, 1366)


class Overtaken(Exception):
    """Another transaction was first with a row this one wanted to insert: run this one again, it will find that row."""


class Tx:
    """An open transaction or read: statements, and what is to be done once it has been committed."""

    def __init__(self, database: Database, connection: sa.Connection) -> None:
        """Made by `Database` only."""
        self.database = database
        self.connection = connection
        self._after: list[Callable[[], None]] = []

    def execute(self, statement: sa.Executable, parameters: Any = None) -> sa.CursorResult[Any]:
        """Run one statement; a list of parameter sets runs it for each."""
        return self.connection.execute(statement, parameters)

    @contextlib.contextmanager
    def part(self, *refusals: type[Exception]) -> Iterator[None]:
        """Make a part of the transaction: a refusal in it takes back what the part wrote, and the rest stands.

        Any other error ends the whole: after a deadlock, or on a full disk, the engine has taken back everything by itself,
        and a savepoint that is not there any more must not be asked for in its stead.
        """
        savepoint = self.connection.begin_nested()
        try:
            yield
        except refusals:
            savepoint.rollback()
            raise
        savepoint.commit()

    def after_commit(self, action: Callable[[], None]) -> None:
        """Have `action` called once the transaction is durable (a doorbell). It is lost when the process dies."""
        self._after.append(action)

    def committed(self) -> None:
        """Run what waited for the commit; called by `Database` only."""
        for action in self._after:
            action()


class Joint:
    """One transaction for all that a piece of work does with a database; opened by the first write, so as to be short."""

    def __init__(self, database: Database, stack: contextlib.ExitStack, first: Callable[[Tx], None]) -> None:
        """`stack` ends the transaction when it ends; `first` is run as soon as there is one."""
        self.database = database
        self.after: list[Callable[[], None]] = []
        self._stack = stack
        self._first = first
        self._connection: sa.Connection | None = None

    @property
    def connection(self) -> sa.Connection | None:
        """Give the open connection; None when nothing was written yet."""
        return self._connection

    def opened(self) -> sa.Connection:
        """Give the connection in its transaction."""
        if self._connection is None:
            self._connection = self._stack.enter_context(self.database.writing())
            self._first(Tx(self.database, self._connection))
        return self._connection

    def transact(self, work: Callable[[Tx], T]) -> T:
        """Run `work` as a part. One that is refused takes back what it wrote: whoever called may go on without it."""
        tx = Tx(self.database, self.opened())
        with tx.part(errors.NovaLiteError):
            result = work(tx)
        self.after.append(tx.committed)
        return result


_JOINT: contextvars.ContextVar[Joint | None] = contextvars.ContextVar("joint", default=None)


class Database:
    """An engine with the two ways to use it: `read()` and `transact()`."""

    def __init__(
        self,
        url: str | sa.URL,
        clock: Clock | None = None,
        *,
        echo: bool = False,
        own_time: bool = False,
        answer_s: int = ANSWER_S,
        announces: bool = False,
    ) -> None:
        """`url` is an SQLAlchemy URL. Nothing connects before the first use, so a process may fork after this.

        `answer_s` bounds the wait for a server's answer to one statement. `own_time` makes `clock` the journal's also where
        the database has one of its own (a test's simulated clock). `announces`: changes of servers and images are
        written into the outbox too, for those who listen to notifications.
        """
        self.announces = announces
        self.clock = clock or SystemClock()
        self.engine = _make_engine(url, echo=echo, answer_s=answer_s)
        self.own_time = own_time or self.dialect == "sqlite"

    @property
    def dialect(self) -> str:
        """Give `sqlite`, `postgresql` or `mysql` (MariaDB too)."""
        name = self.engine.dialect.name
        return "mysql" if name == "mariadb" else name

    @contextlib.contextmanager
    def patient(self) -> Iterator[Database]:
        """Give this database with all the time that a statement of a migration may take."""
        if self.dialect == "sqlite":
            yield self  # it is always patient, and one in memory has no second connection
            return
        other = Database(self.engine.url, self.clock, own_time=self.own_time, answer_s=PATIENT_S)
        try:
            yield other
        finally:
            other.dispose()

    @contextlib.contextmanager
    def read(self) -> Iterator[Tx]:
        """Open a consistent read. Writing in it is an error on SQLite and lost elsewhere.

        Raises: Unavailable when the database does not answer.
        """
        joint = self._joint()
        if joint is not None and joint.connection is not None:
            yield Tx(self, joint.connection)  # sees what was written; its errors are `jointly`'s
            return
        with _translated(), self.engine.connect() as connection:
            yield Tx(self, connection)

    def transact(self, work: Callable[[Tx], T]) -> T:
        """Run `work` in one transaction and commit; rerun it whole after a deadlock or serialization failure.

        Raises: Unavailable when the database does not answer. When the answer to COMMIT was lost the effect is unknown:
        the caller must be able to look (idempotency key, lease number).
        """
        joint = self._joint()
        if joint is not None:
            return joint.transact(work)
        return self._rerun(lambda: self._once(work))

    def jointly(self, work: Callable[[], T], *, first: Callable[[Tx], None], last: Callable[[Tx, T], None]) -> T:
        """Run `work` and make one transaction of every `transact` in it (on this thread), and of `first` and `last`.

        The transaction begins with the first `transact`, or after `work` when there was none: `first` is run then, and
        `last` with the result before the commit. Reads join it once it has begun. A rerun runs `work` again as a whole,
        so `work` must not act outside the database but by `after_commit`.
        Raises: as `transact`; and what `work` raises, with nothing written.
        """
        return self._rerun(lambda: self._join(work, first, last))

    def after_commit(self, action: Callable[[], None]) -> None:
        """Call `action` now; inside of `jointly`, once that is committed."""
        joint = self._joint()
        if joint is None:
            action()
        else:
            joint.after.append(action)

    def is_joint(self) -> bool:
        """Whether a `jointly` of this thread has yet to commit what is written."""
        return self._joint() is not None

    def _joint(self) -> Joint | None:
        joint = _JOINT.get()
        return joint if joint is not None and joint.database is self else None

    def _join(self, work: Callable[[], T], first: Callable[[Tx], None], last: Callable[[Tx, T], None]) -> T:
        with contextlib.ExitStack() as stack:
            joint = Joint(self, stack, first)
            token = _JOINT.set(joint)
            try:
                result = work()
                last(Tx(self, joint.opened()), result)
            finally:
                _JOINT.reset(token)
        for action in joint.after:
            action()
        return result

    def _rerun(self, once: Callable[[], T]) -> T:
        for attempt in range(RERUNS):
            try:
                return once()
            except exc.TimeoutError as error:
                raise errors.Unavailable("All connections to the database are in use.", what=DATABASE) from error
            except Overtaken as error:
                if attempt == RERUNS - 1:
                    raise errors.Unavailable("Too many requests of the same kind at once.", what=DATABASE) from error
            except exc.DBAPIError as error:
                if not _is_rerunnable(error) or attempt == RERUNS - 1:
                    raise _translate(error) from error
            time.sleep(random.uniform(0.5, 1.5) * min(0.5, 0.005 * 2**attempt))
        raise AssertionError("unreachable")

    def _once(self, work: Callable[[Tx], T]) -> T:
        with self.writing() as connection:
            tx = Tx(self, connection)
            result = work(tx)
        tx.committed()
        return result

    @contextlib.contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Open a transaction that writes, committed at the block's end."""
        with self.engine.connect() as connection:
            connection.execution_options(nova_lite_write=True)  # before BEGIN: it chooses which one
            with connection.begin():
                yield connection

    def dispose(self) -> None:
        """Close all connections."""
        self.engine.dispose()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except exc.TimeoutError as error:
        raise errors.Unavailable("All connections to the database are in use.", what=DATABASE) from error
    except exc.DBAPIError as error:
        raise _translate(error) from error


def _translate(error: exc.DBAPIError) -> Exception:
    """Make our own error of an outage; leave mistakes (constraint, syntax, a missing table) as they are."""
    if error.connection_invalidated or _is_rerunnable(error) or isinstance(error, exc.InterfaceError):
        return errors.Unavailable("The database does not answer at the moment.", what=DATABASE)
    if isinstance(error, exc.OperationalError) and not _is_mistake(error):
        return errors.Unavailable("The database does not answer at the moment.", what=DATABASE)
    if getattr(error.orig, "sqlstate", None) == READ_ONLY_SQLSTATE:
        return errors.Unavailable("The database takes no changes at the moment.", what=DATABASE)
    return error


def _is_mistake(error: exc.OperationalError) -> bool:
    """Whether the driver calls operational what is only a wrong statement."""
    if getattr(error.orig, "sqlite_errorname", None) == "SQLITE_ERROR":
        return True
    return _number(error) in MARIADB_MISTAKES


def _is_rerunnable(error: exc.DBAPIError) -> bool:
    """Whether the engine gave this transaction up so that another could go on."""
    if getattr(error.orig, "sqlstate", None) in RERUN_SQLSTATES:
        return True
    if _number(error) in RERUN_NUMBERS:
        return True
    return getattr(error.orig, "sqlite_errorname", "").startswith(RERUN_SQLITE)


def _number(error: exc.DBAPIError) -> object:
    """Give MariaDB's number of an error; something else on other engines."""
    return next(iter(getattr(error.orig, "args", ())), None)


def _make_engine(url: str | sa.URL, *, echo: bool, answer_s: int) -> sa.Engine:
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _make_sqlite(parsed, echo=echo)
    postgres = parsed.get_backend_name() == "postgresql"
    engine = sa.create_engine(
        parsed,
        echo=echo,
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        pool_size=POOL_SIZE,
        max_overflow=POOL_SIZE,
        connect_args=_postgres_arguments() if postgres else _mariadb_arguments(answer_s),
    )
    if postgres:
        _bound_answers(engine, answer_s)
    return engine


def _postgres_arguments() -> dict[str, Any]:
    """Bound the waits for a connection, for a lock, for a server that is gone without a word."""
    return {
        "connect_timeout": CONNECT_S,
        "options": f"-c lock_timeout={LOCK_TIMEOUT_S * 1000}",
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30000,
    }


def _mariadb_arguments(answer_s: int) -> dict[str, Any]:
    """Bound the waits for a connection, an answer and a lock."""
    return {
        "connect_timeout": CONNECT_S,
        "charset": "utf8mb4",
        "read_timeout": answer_s,
        "write_timeout": answer_s,
        "init_command": f"SET SESSION innodb_lock_wait_timeout={LOCK_TIMEOUT_S}",
    }


def _bound_answers(engine: sa.Engine, answer_s: int) -> None:
    """Have connections to PostgreSQL that give an answer up; its driver knows no such limit."""
    from nova_lite.db.bounded import BoundedConnection  # the driver is loaded where PostgreSQL is used

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, arguments: list[Any], named: dict[str, Any]) -> BoundedConnection:
        connection = BoundedConnection.connect(*arguments, **named)
        connection.answer_s = answer_s
        return connection


def _make_sqlite(url: sa.URL, *, echo: bool) -> sa.Engine:
    memory = url.database in (None, "", ":memory:")
    engine = sa.create_engine(
        url,
        echo=echo,
        poolclass=sa.StaticPool if memory else sa.QueuePool,
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_S},
        **({} if memory else {"pool_size": POOL_SIZE, "max_overflow": POOL_SIZE}),
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        cursor = connection.cursor()
        for pragma in (f"busy_timeout={BUSY_TIMEOUT_S * 1000}", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        _use_wal(cursor)
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # A deferred BEGIN that later writes fails with SQLITE_BUSY whatever the busy timeout is.
        write = connection.get_execution_options().get("nova_lite_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _use_wal(cursor: Any) -> None:
    """Switch to write-ahead logging; the file remembers it.

    The switch itself needs the file alone and does not wait for it: processes that open a new file together try again.
    """
    for attempt in range(RERUNS):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith(RERUN_SQLITE) or attempt == RERUNS - 1:
                raise
            time.sleep(random.uniform(0.01, 0.05) * (attempt + 1))
