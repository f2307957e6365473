"""Safe retries on PostgreSQL and MariaDB: the same request in many threads at once, refusals, a first one that fails."""

from __future__ import annotations

import threading

import pytest
from unit.api import retried
from unit.api.retried import post, post_at_once

from nova_lite.db.engine import Database


@pytest.fixture
def made(url):
    database = Database(url)
    yield retried.make(database)
    database.dispose()


def test_many_at_once_are_done_once(made):
    things, client = made

    for number in range(5):
        answers = post_at_once(client, 6, key=f"k{number}")
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.text for answer in answers}) == 1

    assert things.names() == ["x"] * 5


def test_many_at_once_that_are_refused_leave_nothing(made):
    things, client = made

    answers = post_at_once(client, 6, name="bad")

    assert {answer.status_code for answer in answers} == {409}
    assert things.names() == []
    assert post(client, "bad").status_code == 409


def test_who_comes_while_the_first_still_runs_waits_for_its_answer(made):
    things, client = made
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(post(client, "slow"))) for _ in range(3)]
    threads[0].start()
    assert things.writing.wait(10)
    for thread in threads[1:]:
        thread.start()
    threads[1].join(0.5)
    assert answers == []

    things.hold.set()
    for thread in threads:
        thread.join(30)

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    assert things.names() == ["slow"]
