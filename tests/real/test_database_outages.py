"""What is said while PostgreSQL or MariaDB is away, frozen, full of connections or takes no changes, and that it passes."""

from __future__ import annotations

import signal
import time

import pytest
import sqlalchemy as sa
from real import cutting, databases
from workflows import demo

from nova_lite import errors
from nova_lite.db import schema
from nova_lite.db.engine import Database
from nova_lite.durable import journal
from nova_lite.durable.runner import Runner, RunnerOptions
from nova_lite.durable.workflow import Record, Registry, Workflow

TABLE = sa.Table("things", sa.MetaData(), sa.Column("name", sa.String(64), primary_key=True))
BOUND_S = 15.0


@pytest.fixture(scope="module")
def postgres():
    """One that may be stopped without disturbing other tests of this process."""
    with databases.postgres() as server:
        yield server


@pytest.fixture(scope="module")
def mariadb():
    """One that may be stopped, too."""
    with databases.mariadb() as server:
        yield server


@pytest.fixture
def database(url):
    database = Database(url)
    database.transact(lambda tx: TABLE.metadata.create_all(tx.connection))
    yield database
    database.dispose()


def add(database, name):
    database.transact(lambda tx: tx.execute(TABLE.insert(), {"name": name}))


def names(database):
    with database.read() as tx:
        return set(tx.execute(sa.select(TABLE.c.name)).scalars())


def test_a_frozen_server_is_given_up_in_time_and_found_again(server, database):
    add(database, "before")
    server.signal(signal.SIGSTOP)
    began = time.monotonic()
    try:
        with pytest.raises(errors.Unavailable):
            add(database, "while")
        took = time.monotonic() - began
    finally:
        server.signal(signal.SIGCONT)
    add(database, "after")

    assert took < BOUND_S
    assert {"before", "after"} <= names(database)


def test_a_server_that_is_killed_and_started_again_is_found(server, database):
    add(database, "before")
    server.signal(signal.SIGQUIT)
    server.end()
    with pytest.raises(errors.Unavailable):
        add(database, "while")

    server.start()
    add(database, "after")

    assert names(database) == {"before", "after"}


@pytest.mark.postgres
def test_a_server_that_takes_no_changes_is_an_outage(postgres):
    with postgres.database() as url:
        database = Database(url)
        database.transact(lambda tx: TABLE.metadata.create_all(tx.connection))
        for mode in ("on", "off"):
            postgres.say(f"ALTER DATABASE {sa.make_url(url).database} SET default_transaction_read_only = {mode}")
            database.dispose()
            if mode == "on":
                with pytest.raises(errors.Unavailable):
                    add(database, "while")
        add(database, "after")

        assert names(database) == {"after"}
        database.dispose()


@pytest.mark.mariadb
def test_a_mariadb_that_takes_no_changes_is_an_outage(mariadb):
    with mariadb.database() as url:
        user = sa.make_url(url).set(username="plain")  # root may write always
        mariadb.say("CREATE USER IF NOT EXISTS plain@localhost")
        mariadb.say(f"GRANT ALL ON {user.database}.* TO plain@localhost")
        database = Database(user)
        database.transact(lambda tx: TABLE.metadata.create_all(tx.connection))
        mariadb.say("SET GLOBAL read_only = 1")
        try:
            with pytest.raises(errors.Unavailable):
                add(database, "while")
        finally:
            mariadb.say("SET GLOBAL read_only = 0")
        add(database, "after")

        assert names(database) == {"after"}
        database.dispose()


@pytest.mark.postgres
def test_connections_ended_by_the_administrator_are_an_outage_at_most(postgres):
    with postgres.database() as url:
        database = Database(url)
        database.transact(lambda tx: TABLE.metadata.create_all(tx.connection))

        def be_cut(tx):
            tx.execute(TABLE.insert(), {"name": "cut"})
            postgres.say(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{tx.connection.engine.url.database}'"
            )
            tx.execute(TABLE.insert(), {"name": "cut again"})

        with pytest.raises(errors.Unavailable):
            database.transact(be_cut)
        add(database, "after")

        assert names(database) == {"after"}
        database.dispose()


@pytest.mark.postgres
def test_a_commit_whose_answer_is_lost_is_an_outage_and_is_not_run_again(postgres):
    with postgres.database() as url, cutting.CommitCutter(sa.make_url(url).query["host"]) as proxy:
        database = Database(proxy.url(url))
        database.transact(lambda tx: TABLE.metadata.create_all(tx.connection))
        runs = []

        def work(tx):
            runs.append(1)
            tx.execute(TABLE.insert(), {"name": "once"})

        proxy.cut_next()
        with pytest.raises(errors.Unavailable):
            database.transact(work)

        assert len(runs) == 1
        assert proxy.cuts == 1
        assert names(database) == {"once"}
        database.dispose()


@pytest.mark.postgres
def test_a_chosen_transaction_is_the_one_whose_commit_is_not_answered(postgres):
    with postgres.database() as url, cutting.CommitCutter(sa.make_url(url).query["host"]) as proxy:
        database = Database(proxy.url(url))
        database.transact(lambda tx: TABLE.metadata.create_all(tx.connection))
        proxy.cut_next(about=b"chosen")

        for number in range(8):  # from the fifth time on a statement is sent by a name
            add(database, f"other {number}")
        assert proxy.cuts == 0
        with pytest.raises(errors.Unavailable):
            add(database, "chosen")

        assert proxy.cuts == 1
        assert "chosen" in names(database)
        database.dispose()


@pytest.mark.postgres
def test_the_way_that_may_be_cut_leads_to_a_server_that_was_away_again(postgres):
    with postgres.database() as url, cutting.CommitCutter(sa.make_url(url).query["host"]) as proxy:
        database = Database(proxy.url(url))
        database.transact(lambda tx: TABLE.metadata.create_all(tx.connection))
        postgres.signal(signal.SIGQUIT)
        postgres.end()
        with pytest.raises(errors.Unavailable):
            add(database, "while")
        postgres.start()
        add(database, "after")

        assert names(database) == {"after"}
        database.dispose()


def count(run):
    demo.note(run.tx, run.subject_id, "counted")


@pytest.mark.postgres
def test_recordings_whose_commit_is_not_answered_happen_once(postgres):
    work = Workflow(
        name="w",
        version=1,
        params=demo.DemoParams,
        steps=tuple(Record(name, count, None, None, 60) for name in ("one", "two", "three")),
    )
    with postgres.database() as url, cutting.CommitCutter(sa.make_url(url).query["host"]) as proxy:
        plain, cut = Database(url), Database(proxy.url(url))
        schema.create_all(plain)
        plain.transact(lambda tx: demo.METADATA.create_all(tx.connection))
        for number in range(10):
            params = demo.DemoParams(thing=f"s{number}")
            new = journal.NewOperation(workflow=work, subject_kind="thing", subject_id=f"s{number}", params=params)
            plain.transact(lambda tx, new=new: journal.accept(tx, new))
        runner = Runner(cut, Registry((work,)), None, RunnerOptions(slots=4, poll_s=0.1, lease_s=2.0, renew_s=0.5))
        proxy.cut_next(12)
        runner.start()
        try:
            end = time.monotonic() + 50
            while time.monotonic() < end and living(plain):
                time.sleep(0.1)
        finally:
            runner.stop()

        assert proxy.cuts == 12
        assert not living(plain)
        assert [demo.notes(plain, f"s{number}") for number in range(10)] == [["counted"] * 3] * 10
        plain.dispose()
        cut.dispose()


def living(database):
    with database.read() as tx:
        return journal.live(tx)


@pytest.mark.postgres
def test_a_statement_of_a_migration_has_more_time_than_another(postgres):
    with postgres.database() as url:
        database = Database(url, answer_s=1)

        def be_slow(tx):
            return tx.execute(sa.text("SELECT 1 FROM pg_sleep(2.5)")).scalar_one()

        with pytest.raises(errors.Unavailable):
            database.transact(be_slow)
        with database.patient() as patient:
            answer = patient.transact(be_slow)

        assert answer == 1
        database.dispose()
