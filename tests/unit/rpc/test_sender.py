"""No caller waits longer than it wants, and a slow broker does not gather threads."""

from __future__ import annotations

import logging
import threading
import time

import pytest

from nova_lite import errors
from nova_lite.rpc.sender import WAITING, Sender
from nova_lite.rpc.trouble import Limited, Trouble


@pytest.fixture
def gate():
    gate = threading.Event()
    yield gate
    gate.set()


def test_work_is_done_before_run_returns():
    done = []

    Sender(1).run(lambda: done.append(1), 5.0)

    assert done == [1]


def test_an_error_reaches_the_caller():
    def fail():
        raise errors.Unavailable("refused")

    with pytest.raises(errors.Unavailable, match="refused"):
        Sender(1).run(fail, 5.0)


def test_a_caller_of_work_that_hangs_is_told_in_time(gate):
    sender = Sender(1)
    began = time.monotonic()

    with pytest.raises(errors.Unavailable):
        sender.run(lambda: gate.wait(30), 0.2)

    assert time.monotonic() - began < 2


def test_what_was_given_up_before_its_turn_is_not_sent_late(gate):
    sender, sent = Sender(1), []
    for work in (lambda: gate.wait(30), lambda: sent.append("late")):
        with pytest.raises(errors.Unavailable):
            sender.run(work, 0.1)

    gate.set()
    sender.run(lambda: sent.append("next"), 5.0)

    assert sent == ["next"]


def test_too_many_callers_are_refused_at_once(gate):
    sender = Sender(1)
    threads = [
        threading.Thread(target=lambda: pytest.raises(errors.Unavailable, sender.run, lambda: gate.wait(30), 2.0), daemon=True)
        for _ in range(WAITING + 1)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    began = time.monotonic()

    with pytest.raises(errors.Unavailable):
        sender.run(lambda: None, 5.0)

    assert time.monotonic() - began < 1
    gate.set()
    for thread in threads:
        thread.join(10)


def test_a_closed_sender_takes_nothing():
    sender = Sender(1)

    assert sender.close(1.0)

    with pytest.raises(errors.Unavailable):
        sender.run(lambda: None, 1.0)


def test_trouble_is_told_once_then_seldom(caplog):
    caplog.set_level(logging.INFO)
    trouble = Trouble(logging.getLogger("test"), every_s=0.2)

    for _ in range(5):
        trouble.say("The broker is away.")
    time.sleep(0.25)
    trouble.say("The broker is away.")
    trouble.over("It is back.")
    trouble.over("It is back.")

    assert [record.getMessage() for record in caplog.records] == ["The broker is away."] * 2 + ["It is back."]
    assert caplog.records[1].left_out == 4


def test_a_librarys_lines_share_the_measure(caplog):
    trouble = Trouble(logging.getLogger("test"))
    library = logging.getLogger("test.library")
    limit = Limited(trouble)
    library.addFilter(limit)

    library.error("unreachable")
    library.error("unreachable")
    trouble.say("The broker is away.")
    library.removeFilter(limit)

    assert [record.getMessage() for record in caplog.records] == ["unreachable"]
