"""Daemons of a kind on one machine that start together, on databases where both look before either has written."""

from __future__ import annotations

import threading

from nova_lite.db.hosts import select_services
from nova_lite.inventory import services


def test_the_second_of_two_that_beat_for_the_first_time_finds_the_row(database):
    failed = []

    def second():
        try:
            database.transact(lambda tx: services.beat(tx, "nova-conductor", "control"))
        except Exception as error:
            failed.append(error)

    def first(tx):
        services.beat(tx, "nova-conductor", "control")
        thread.start()  # it sees no row, and waits at its insert for what becomes of this one
        thread.join(1)

    thread = threading.Thread(target=second)
    database.transact(first)
    thread.join(30)

    with database.read() as tx:
        assert [row["binary"] for row in select_services(tx, 60.0)] == ["nova-conductor"]
    assert not failed
