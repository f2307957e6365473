"""Transactions on SQLite: many writers, reruns, outages, what happens after the commit; and the journal's clock."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import threading

import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from nova_lite import errors
from nova_lite.clock import SimulatedClock
from nova_lite.db import clock
from nova_lite.db.engine import Database, Overtaken

TABLE = sa.Table("counts", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer))
WRITERS, ROUNDS = 8, 40


@pytest.fixture
def url(tmp_path):
    url = f"sqlite:///{tmp_path}/test.db"
    database = Database(url)
    database.transact(lambda tx: TABLE.metadata.create_all(tx.connection))
    database.transact(lambda tx: tx.execute(TABLE.insert(), {"id": 1, "n": 0}))
    database.dispose()
    return url


def read_and_write(tx):
    number = tx.execute(sa.select(TABLE.c.n)).scalar_one()
    tx.execute(TABLE.update().values(n=number + 1))


def write_much(url):
    database = Database(url)
    for _ in range(ROUNDS):
        database.transact(read_and_write)
    database.dispose()


def value(url):
    database = Database(url)
    with database.read() as tx:
        return tx.execute(sa.select(TABLE.c.n)).scalar_one()


def test_8_writing_processes_are_never_told_that_the_database_is_locked(url):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_much, args=(url,)) for _ in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)

    assert [writer.exitcode for writer in writers] == [0] * WRITERS
    assert value(url) == WRITERS * ROUNDS


def test_8_writing_threads_of_one_process_lose_nothing(url):
    database = Database(url)
    failures = []

    def write():
        try:
            for _ in range(ROUNDS):
                database.transact(read_and_write)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert failures == []
    assert value(url) == WRITERS * ROUNDS


def open_first(url, barrier, answers):
    database = Database(url)
    barrier.wait(10)
    try:
        with database.read() as tx:
            tx.execute(sa.text("SELECT 1"))
        answers.put("ok")
    except Exception as error:
        answers.put(repr(error))


def test_8_processes_may_open_a_new_database_at_the_same_moment(tmp_path):
    context = multiprocessing.get_context("fork")
    barrier, answers = context.Barrier(8), context.Queue()
    arguments = (f"sqlite:///{tmp_path}/new.db", barrier, answers)
    openers = [context.Process(target=open_first, args=arguments) for _ in range(8)]
    for opener in openers:
        opener.start()

    found = [answers.get(timeout=30) for _ in openers]

    for opener in openers:
        opener.join(10)
    assert found == ["ok"] * 8


def test_readers_are_not_held_up_by_a_writer(url):
    database = Database(url)

    def write(tx):
        read_and_write(tx)
        with database.read() as reading:
            return reading.execute(sa.select(TABLE.c.n)).scalar_one()

    assert database.transact(write) == 0


def test_a_committed_transaction_survives_power_loss_by_the_journals_settings(url):
    database = Database(url)

    with database.read() as tx:
        settings = {
            name: tx.execute(sa.text(f"PRAGMA {name}")).scalar_one() for name in ("journal_mode", "synchronous", "foreign_keys")
        }

    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_a_transaction_that_raises_leaves_nothing(url):
    database = Database(url)

    def work(tx):
        read_and_write(tx)
        raise ValueError

    with pytest.raises(ValueError):
        database.transact(work)

    assert value(url) == 0


def test_what_waits_for_the_commit_happens_after_it_and_only_then(url):
    database = Database(url)
    seen = []

    def work(tx):
        read_and_write(tx)
        tx.after_commit(lambda: seen.append(value(url)))

    def failing(tx):
        tx.after_commit(lambda: seen.append("never"))
        raise ValueError

    database.transact(work)
    with pytest.raises(ValueError):
        database.transact(failing)

    assert seen == [1]


def test_a_transaction_that_was_overtaken_is_run_again_whole(url):
    database = Database(url)
    calls = []

    def work(tx):
        read_and_write(tx)
        calls.append(1)
        if len(calls) < 3:
            raise Overtaken

    database.transact(work)

    assert len(calls) == 3
    assert value(url) == 1


def test_a_database_that_cannot_be_opened_is_unavailable(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/no/such/folder/test.db")

    with pytest.raises(errors.Unavailable) as read, database.read():
        pass
    with pytest.raises(errors.Unavailable) as written:
        database.transact(lambda tx: None)

    assert read.value.details["what"] == written.value.details["what"] == "the database"


def test_a_broken_constraint_is_a_mistake_and_not_an_outage(url):
    database = Database(url)

    with pytest.raises(sa.exc.IntegrityError):
        database.transact(lambda tx: tx.execute(TABLE.insert(), {"id": 1, "n": 0}))


def test_a_missing_table_is_a_mistake_and_not_an_outage(url):
    database = Database(url)

    with pytest.raises(sa.exc.OperationalError), database.read() as tx:
        tx.execute(sa.text("SELECT * FROM nothing"))


def test_the_journals_clock_on_sqlite_is_the_machines_time_since_boot(tmp_path):
    time = SimulatedClock(start=77.0, boot="b")
    database = Database(f"sqlite:///{tmp_path}/test.db", time)

    with database.read() as tx:
        first = clock.now(tx)
        time.sleep(3)
        second = tx.execute(sa.select(clock.now_sql(database))).scalar_one()

    assert (first, second) == (77.0, 80.0)
    assert clock.boot_id(database) == "b"


def test_a_database_that_has_no_room_left_is_unavailable_and_keeps_what_it_had(url):
    database = Database(url)
    with database.read() as tx:
        pages = tx.execute(sa.text("PRAGMA page_count")).scalar_one()

    def outgrow(tx):
        tx.execute(sa.text(f"PRAGMA max_page_count={pages}"))
        tx.execute(sa.text("CREATE TABLE large (text TEXT)"))
        tx.execute(sa.text("INSERT INTO large VALUES (:text)"), {"text": "x" * 1_000_000})

    with pytest.raises(errors.Unavailable):
        database.transact(outgrow)
    database.dispose()

    assert value(url) == 0
    database.transact(read_and_write)
    assert value(url) == 1


def test_a_part_for_which_there_is_no_room_is_unavailable_too(url):
    """SQLite takes back the whole transaction then, its savepoints too."""
    database = Database(url)

    def outgrow(tx):
        pages = tx.execute(sa.text("PRAGMA page_count")).scalar_one()
        tx.execute(sa.text(f"PRAGMA max_page_count={pages + 1}"))
        read_and_write(tx)
        with tx.part(ValueError):
            tx.execute(sa.text("CREATE TABLE large (text TEXT)"))
            tx.execute(sa.text("INSERT INTO large VALUES (:text)"), {"text": "x" * 1_000_000})

    with pytest.raises(errors.Unavailable):
        database.transact(outgrow)
    database.dispose()

    assert value(url) == 0


def test_a_refusal_in_a_part_takes_back_that_part_only(url):
    database = Database(url)

    def work(tx):
        read_and_write(tx)
        with pytest.raises(ValueError), tx.part(ValueError):
            read_and_write(tx)
            raise ValueError

    database.transact(work)

    assert value(url) == 1


def test_a_commit_for_which_the_disk_has_no_room_is_unavailable_and_leaves_nothing(url):
    """The limit on a file's size stands for the disk; the log grows at the commit."""
    context = multiprocessing.get_context("fork")
    answers = context.Queue()

    def fill():
        database = Database(url)
        database.transact(read_and_write)
        size = os.path.getsize(f"{sa.make_url(url).database}-wal")
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            database.transact(read_and_write)
        except errors.Unavailable:
            answers.put("unavailable")
        else:
            answers.put("done")

    filler = context.Process(target=fill)
    filler.start()
    filler.join(60)

    assert answers.get(timeout=5) == "unavailable"
    assert value(url) == 1


def test_a_process_killed_before_its_commit_leaves_nothing_and_holds_nobody_up(url):
    context = multiprocessing.get_context("fork")

    def die():
        database = Database(url)
        database.transact(read_and_write)

        def work(tx):
            read_and_write(tx)
            os.kill(os.getpid(), signal.SIGKILL)

        database.transact(work)

    victim = context.Process(target=die)
    victim.start()
    victim.join(60)
    Database(url).transact(read_and_write)

    assert victim.exitcode == -signal.SIGKILL
    assert value(url) == 2


class Refusal(Exception):
    """A driver's error: PostgreSQL's has a state, MariaDB's a number as its first argument."""

    def __init__(self, *arguments, sqlstate=None):
        super().__init__(*arguments)
        self.sqlstate = sqlstate


OUTAGES = {
    "PostgreSQL shuts down": (exc.OperationalError, Refusal(sqlstate="57P01")),
    "PostgreSQL crashed": (exc.OperationalError, Refusal(sqlstate="57P02")),
    "PostgreSQL starts": (exc.OperationalError, Refusal(sqlstate="57P03")),
    "PostgreSQL has too many connections": (exc.OperationalError, Refusal(sqlstate="53300")),
    "PostgreSQL has no disk": (exc.OperationalError, Refusal(sqlstate="53100")),
    "PostgreSQL takes no changes": (exc.InternalError, Refusal(sqlstate="25006")),
    "MariaDB takes no changes": (exc.OperationalError, Refusal(1290, "read-only")),
    "MariaDB has no disk": (exc.OperationalError, Refusal(1021, "disk full")),
    "MariaDB has no room in a table": (exc.OperationalError, Refusal(1114, "table full")),
    "MariaDB has too many connections": (exc.OperationalError, Refusal(1040, "too many connections")),
    "MariaDB is gone": (exc.OperationalError, Refusal(2006, "gone")),
    "MariaDB was lost": (exc.OperationalError, Refusal(2013, "lost")),
}
MISTAKES = {
    "PostgreSQL has no such table": (exc.ProgrammingError, Refusal(sqlstate="42P01")),
    "PostgreSQL is in a failed transaction": (exc.InternalError, Refusal(sqlstate="25P02")),
    "MariaDB knows no such column": (exc.OperationalError, Refusal(1054, "unknown column")),
}


@pytest.mark.parametrize("kind", OUTAGES)
def test_what_passes_is_an_outage(url, kind):
    made, original = OUTAGES[kind]

    def fail(_tx):
        raise made("statement", {}, original)

    with pytest.raises(errors.Unavailable):
        Database(url).transact(fail)


@pytest.mark.parametrize("kind", MISTAKES)
def test_what_does_not_pass_is_a_mistake(url, kind):
    made, original = MISTAKES[kind]

    def fail(_tx):
        raise made("statement", {}, original)

    with pytest.raises(made):
        Database(url).transact(fail)
