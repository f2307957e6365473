"""The database behind the control daemons: one engine a process, reads and whole transactions.

SQLite (WAL, synchronous=FULL, BEGIN IMMEDIATE for writes only) on one machine; PostgreSQL or MariaDB (READ COMMITTED)
when there is more than one control node. Only `nova_lite.db` imports SQLAlchemy; other rooms pass a `Tx` along.
"""

from __future__ import annotations

import contextlib
import logging
import random
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event, exc

from nova_lite import errors
from nova_lite.clock import Clock, SystemClock

LOG = logging.getLogger(__name__)
T = TypeVar("T")
RERUNS = 8
BUSY_TIMEOUT_S = 30
POOL_SIZE = 16


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

    def after_commit(self, action: Callable[[], None]) -> None:
        """Have `action` called once the transaction is durable (a doorbell). It is lost when the process dies."""
        self._after.append(action)

    def committed(self) -> None:
        """Run what waited for the commit; called by `Database` only."""
        for action in self._after:
            action()


class Database:
    """An engine with the two ways to use it: `read()` and `transact()`."""

    def __init__(self, url: str, clock: Clock | None = None, *, echo: bool = False) -> None:
        """`url` is an SQLAlchemy URL. Nothing connects before the first use, so a process may fork after this."""
        self.clock = clock or SystemClock()
        self.engine = _make_engine(url, echo=echo)

    @property
    def dialect(self) -> str:
        """Give `sqlite`, `postgresql` or `mysql` (MariaDB too)."""
        name = self.engine.dialect.name
        return "mysql" if name == "mariadb" else name

    @contextlib.contextmanager
    def read(self) -> Iterator[Tx]:
        """Open a consistent read. Writing in it is an error on SQLite and lost elsewhere.

        Raises: Unavailable when the database does not answer.
        """
        with _translated(), self.engine.connect() as connection:
            yield Tx(self, connection)

    def transact(self, work: Callable[[Tx], T]) -> T:
        """Run `work` in one transaction and commit; rerun it whole after a deadlock or serialization failure.

        Raises: Unavailable when the database does not answer. When the answer to COMMIT was lost the effect is unknown:
        the caller must be able to look (idempotency key, lease number).
        """
        for attempt in range(RERUNS):
            try:
                return self._once(work)
            except exc.DBAPIError as error:
                if not _is_rerunnable(error) or attempt == RERUNS - 1:
                    raise _unavailable(error) from error
                time.sleep(random.uniform(0.005, 0.02) * 2**attempt)
        raise AssertionError("unreachable")

    def _once(self, work: Callable[[Tx], T]) -> T:
        with self.engine.connect() as connection:
            connection.execution_options(nova_lite_write=True)  # before BEGIN: it chooses which one
            with connection.begin():
                tx = Tx(self, connection)
                result = work(tx)
        tx.committed()
        return result

    def dispose(self) -> None:
        """Close all connections."""
        self.engine.dispose()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except exc.DBAPIError as error:
        raise _unavailable(error) from error


def _unavailable(error: exc.DBAPIError) -> Exception:
    """Make our own error of an outage; leave mistakes (constraint, syntax) as they are."""
    if isinstance(error, exc.OperationalError | exc.InterfaceError) or error.connection_invalidated:
        return errors.Unavailable("The database does not answer at the moment.")
    return error


def _is_rerunnable(error: exc.DBAPIError) -> bool:
    """Whether the engine gave this transaction up so that another could go on."""
    sqlstate = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    if sqlstate in ("40001", "40P01"):
        return True
    arguments = getattr(error.orig, "args", ())
    if arguments and arguments[0] in (1205, 1213, 1020):  # MariaDB: lock wait, deadlock, record changed
        return True
    return getattr(error.orig, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def _make_engine(url: str, *, echo: bool) -> sa.Engine:
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _make_sqlite(parsed, echo=echo)
    connect_args: dict[str, Any] = {"connect_timeout": 5}
    if parsed.get_backend_name() in ("mysql", "mariadb"):
        connect_args |= {"charset": "utf8mb4", "read_timeout": 30, "write_timeout": 30}
    return sa.create_engine(
        parsed,
        echo=echo,
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        pool_size=POOL_SIZE,
        max_overflow=POOL_SIZE,
        connect_args=connect_args,
    )


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
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_TIMEOUT_S * 1000}"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # A deferred BEGIN that later writes fails with SQLITE_BUSY whatever the busy timeout is.
        write = connection.get_execution_options().get("nova_lite_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine
