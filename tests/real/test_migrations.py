"""Migrations up and down on PostgreSQL and MariaDB."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from nova_lite.db import migrate, version
from nova_lite.db.engine import Database


@pytest.fixture
def database(url):
    """A database without tables."""
    database = Database(url)
    yield database
    database.dispose()


def test_migrated_database_is_what_the_tables_describe(database):
    before, after = migrate.upgrade(database)

    assert (before, after) == (None, version.HEAD)
    assert migrate.differences(database) == []
    version.require(database)


def test_migrations_can_be_taken_back_and_done_again(database):
    migrate.upgrade(database)

    migrate.downgrade(database)
    with database.read() as tx:
        left = set(sa.inspect(tx.connection).get_table_names())
    migrate.upgrade(database)

    assert left <= {version.TABLE}
    assert migrate.differences(database) == []


def test_two_upgrades_at_once_do_not_meet(url):
    results, faults = [], []

    def work():
        own = Database(url)
        try:
            results.append(migrate.upgrade(own))
        except Exception as error:
            faults.append(error)
        finally:
            own.dispose()

    threads = [threading.Thread(target=work) for _ in range(2)]
    [thread.start() for thread in threads]
    [thread.join(60) for thread in threads]

    assert not faults
    assert sorted(results, key=str) == [(version.HEAD, version.HEAD), (None, version.HEAD)]
