"""`Database.jointly`: many writes of one piece of work in one transaction, which it need not know of."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from nova_lite import errors
from nova_lite.db.engine import Database, Overtaken

TABLE = sa.Table("words", sa.MetaData(), sa.Column("word", sa.String(16), primary_key=True))


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/test.db")
    database.transact(lambda tx: TABLE.metadata.create_all(tx.connection))
    yield database
    database.dispose()


def put(word):
    return lambda tx: tx.execute(TABLE.insert(), {"word": word})


def words(database):
    with database.read() as tx:
        return sorted(tx.execute(sa.select(TABLE.c.word)).scalars())


def jointly(database, work, first=lambda tx: None, last=lambda tx, result: None):
    return database.jointly(work, first=first, last=last)


def seen_by_others(database):
    """Look from another thread, which is not part of what this one does."""
    found = []
    thread = threading.Thread(target=lambda: found.extend(words(database)))
    thread.start()
    thread.join(10)
    return found


def test_all_that_is_written_becomes_visible_at_once(database):
    def work():
        database.transact(put("one"))
        assert seen_by_others(database) == []
        assert words(database) == ["first", "one"]
        database.transact(put("two"))
        return "answer"

    result = jointly(database, work, first=put("first"), last=lambda tx, result: put(result)(tx))

    assert result == "answer"
    assert seen_by_others(database) == ["answer", "first", "one", "two"]


def test_a_failure_takes_all_of_it_back(database):
    def work():
        database.transact(put("one"))
        raise errors.Conflict("no")

    with pytest.raises(errors.Conflict):
        jointly(database, work, first=put("first"))

    assert words(database) == []


def test_a_part_that_is_refused_and_caught_leaves_the_other_parts(database):
    def refused(tx):
        put("bad")(tx)
        raise errors.NotFound

    def work():
        database.transact(put("one"))
        with pytest.raises(errors.NotFound):
            database.transact(refused)
        database.transact(put("two"))

    jointly(database, work)

    assert words(database) == ["one", "two"]


def test_no_transaction_is_open_before_the_first_write(database):
    order = []

    def work():
        assert words(database) == []
        order.append("read")
        other = threading.Thread(target=lambda: database.transact(put("other")))  # would wait for an open transaction
        other.start()
        other.join(10)
        assert not other.is_alive()
        database.transact(lambda tx: order.append("write"))

    jointly(database, work, first=lambda tx: order.append("first"), last=lambda tx, result: order.append("last"))

    assert order == ["read", "first", "write", "last"]


def test_work_that_writes_nothing_still_has_its_first_and_last(database):
    jointly(database, lambda: "x", first=put("first"), last=lambda tx, result: put(result)(tx))

    assert words(database) == ["first", "x"]


def test_an_overtaken_part_reruns_the_work_as_a_whole(database):
    tries = []

    def work():
        tries.append(1)
        database.transact(put("one"))
        if len(tries) == 1:
            raise Overtaken
        return len(tries)

    assert jointly(database, work, first=put("first")) == 2
    assert words(database) == ["first", "one"]


def test_what_waits_for_the_commit_runs_once_after_it_and_outside_of_it(database):
    seen, tries = [], []

    def work():
        tries.append(1)
        database.transact(lambda tx: (put("one")(tx), tx.after_commit(lambda: seen.append(seen_by_others(database)))))
        database.after_commit(lambda: database.transact(put("later")))
        assert seen == []
        if len(tries) == 1:
            raise Overtaken

    jointly(database, work)

    assert seen == [["one"]]
    assert words(database) == ["later", "one"]


def test_what_waits_for_a_commit_is_forgotten_with_a_refused_part(database):
    seen = []

    def refused(tx):
        tx.after_commit(lambda: seen.append("rung"))
        raise errors.NotFound

    def work():
        with pytest.raises(errors.NotFound):
            database.transact(refused)

    jointly(database, work)

    assert seen == []


def test_without_it_nothing_waits(database):
    seen = []

    database.after_commit(lambda: seen.append(1))

    assert seen == [1]


def test_another_database_is_not_joined(database, tmp_path):
    other = Database(f"sqlite:///{tmp_path}/other.db")
    other.transact(lambda tx: TABLE.metadata.create_all(tx.connection))

    def work():
        database.transact(put("here"))
        other.transact(put("there"))
        raise errors.Conflict

    with pytest.raises(errors.Conflict):
        jointly(database, work)

    assert words(other) == ["there"]
    assert words(database) == []
    other.dispose()
