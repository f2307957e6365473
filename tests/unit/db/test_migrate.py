"""Migrations on SQLite, and which versions a release agrees to serve."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from nova_lite import errors
from nova_lite.db import migrate, version
from nova_lite.db.engine import Database


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/cloud.db")
    yield database
    database.dispose()


def stamp(database, number):
    database.transact(lambda tx: tx.execute(sa.text(f"UPDATE {version.TABLE} SET version_num = :number"), {"number": number}))


def test_migrated_database_is_what_the_tables_describe(database):
    before, after = migrate.upgrade(database)

    assert (before, after) == (None, version.HEAD)
    assert migrate.differences(database) == []


def test_head_is_the_newest_migration():
    assert migrate.known_versions()[-1] == version.HEAD


def test_upgrade_may_be_repeated(database):
    migrate.upgrade(database)

    assert migrate.upgrade(database) == (version.HEAD, version.HEAD)


def test_each_migration_can_be_taken_back_and_done_again(database):
    migrate.upgrade(database)

    migrate.downgrade(database)
    with database.read() as tx:
        left = set(sa.inspect(tx.connection).get_table_names())
    migrate.upgrade(database)

    assert left <= {version.TABLE}
    assert migrate.differences(database) == []


def test_two_upgrades_at_once_do_not_meet(tmp_path):
    results, faults = [], []

    def work():
        own = Database(f"sqlite:///{tmp_path}/both.db")
        try:
            results.append(migrate.upgrade(own))
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    [thread.start() for thread in threads]
    [thread.join(30) for thread in threads]

    assert not faults
    assert sorted(results, key=str) == [(version.HEAD, version.HEAD), (None, version.HEAD)]


def test_missing_index_is_named(database):
    migrate.upgrade(database)
    database.transact(lambda tx: tx.execute(sa.text("DROP INDEX ix_servers_host")))

    assert migrate.differences(database) == ["add index: ix_servers_host"]


def test_empty_database_is_refused_with_the_command_that_helps(database):
    with pytest.raises(errors.ConfigError, match="empty.*nova-lite db upgrade"):
        version.require(database)


@pytest.mark.parametrize(
    ("found", "head", "refusal"),
    [
        ("1.0", "1.0", None),
        ("1.3", "1.0", None),  # a newer release's expand phase
        ("1.0", "1.1", "this release needs 1.1"),
        ("2.0", "1.4", "made by a newer release that removed"),
        ("1.9", "2.0", "this release needs 2.0"),
        ("1.10", "1.9", None),
    ],
)
def test_release_serves_its_own_version_and_later_steps_of_its_era(monkeypatch, found, head, refusal):
    monkeypatch.setattr(version, "HEAD", head)

    answer = version.refusal_of(found)

    assert answer is None if refusal is None else refusal in answer


def test_newer_era_is_refused_at_start(database):
    migrate.upgrade(database)
    stamp(database, "2.0")

    with pytest.raises(errors.ConfigError, match=r"serves 1\.x"):
        version.require(database)
