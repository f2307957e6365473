"""Quota: all or nothing, never over by one."""

from __future__ import annotations

import threading

import pytest

from nova_lite import errors
from nova_lite.db import quota as queries
from nova_lite.db import schema
from nova_lite.db.engine import Database
from nova_lite.quota import usage

ONE = {"instances": 1, "cores": 2, "ram": 512}


@pytest.fixture
def database(tmp_path):
    made = Database(f"sqlite:///{tmp_path}/quota.db")
    schema.create_all(made)
    yield made
    made.dispose()


def used(database):
    with database.read() as tx:
        return usage.used_by(tx, "p")


def test_reserve_takes_every_resource(database):
    database.transact(lambda tx: usage.reserve(tx, "p", ONE))

    assert used(database) == {"instances": 1, "cores": 2, "ram": 512}


def test_reserve_takes_nothing_when_one_resource_is_short_even_if_the_caller_goes_on(database):
    def work(tx):
        with pytest.raises(errors.OverQuota) as refusal:
            usage.reserve(tx, "p", {"instances": 1, "cores": 21, "ram": 512})
        return refusal.value

    refusal = database.transact(work)

    assert used(database) == {"instances": 0, "cores": 0, "ram": 0}
    assert refusal.message == "Quota exceeded for cores (cores: 21 asked, 0 of 20 used)."
    assert refusal.details == {"resources": ("cores",)}


def test_a_limit_of_the_project_comes_before_the_general_and_the_builtin_one(database):
    def work(tx):
        queries.put_limits(tx, queries.DEFAULTS, {"cores": 4, "ram": 1000})
        queries.put_limits(tx, "p", {"cores": 8})
        usage.reserve(tx, "p", {"cores": 8})
        return usage.limits_of(tx, "p")

    limits = database.transact(work)

    assert (limits["cores"], limits["ram"], limits["instances"]) == (8, 1000, 10)
    with pytest.raises(errors.OverQuota):
        database.transact(lambda tx: usage.reserve(tx, "p", {"ram": 1001}))


def test_minus_one_is_no_limit(database):
    def work(tx):
        queries.put_limits(tx, "p", {"cores": -1})
        usage.reserve(tx, "p", {"cores": 100_000})
        return usage.room_for(tx, "p", {"cores": 1})

    assert database.transact(work) > 10**9


def test_room_for_counts_whole_servers(database):
    database.transact(lambda tx: usage.reserve(tx, "p", {"instances": 3, "cores": 16, "ram": 512}))

    assert database.transact(lambda tx: usage.room_for(tx, "p", ONE)) == 2


def test_release_never_goes_below_zero(database):
    database.transact(lambda tx: usage.reserve(tx, "p", ONE))

    database.transact(lambda tx: usage.release(tx, "p", {"instances": 5, "cores": 1, "ram": 0}))

    assert used(database) == {"instances": 0, "cores": 1, "ram": 512}


def test_recount_mends_and_tells_the_difference(database):
    database.transact(lambda tx: usage.reserve(tx, "p", ONE))

    wrong = database.transact(lambda tx: usage.recount(tx, "p", {"instances": 1, "cores": 4, "ram": 512}))

    assert wrong == {"cores": (2, 4)}
    assert used(database)["cores"] == 4


def test_fifty_concurrent_reservations_never_exceed_the_limit(database):
    outcomes = []

    def reserve_one():
        try:
            database.transact(lambda tx: usage.reserve(tx, "p", ONE))
            outcomes.append(True)
        except errors.OverQuota:
            outcomes.append(False)

    threads = [threading.Thread(target=reserve_one) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (outcomes.count(True), len(outcomes)) == (10, 50)
    assert used(database) == {"instances": 10, "cores": 20, "ram": 5120}


def test_a_reservation_is_two_statements_once_the_rows_exist(database, statements):
    database.transact(lambda tx: usage.reserve(tx, "p", ONE))

    with statements(database) as seen:
        database.transact(lambda tx: usage.reserve(tx, "p", ONE))

    assert len(seen) == 2
