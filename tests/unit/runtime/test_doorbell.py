"""Doorbells never hold up who rings."""

from __future__ import annotations

import threading
import time

import pytest

from nova_lite import errors, metrics
from nova_lite.rpc.port import Envelope, carrying
from nova_lite.runtime.doorbell import KEPT, DoorbellSender


class Conductor:
    """Takes doorbells; `gate` may hold it, `away` makes it fail."""

    def __init__(self):
        self.rung = []
        self.away = False
        self.gate = threading.Event()
        self.gate.set()
        self.changed = threading.Condition()

    def ring(self, message, envelope=None):
        self.gate.wait(10)
        if self.away:
            raise errors.Unavailable("away")
        with self.changed:
            self.rung.append((message.operation_id, envelope.request_id))
            self.changed.notify_all()

    def wait_for(self, count):
        with self.changed:
            return self.changed.wait_for(lambda: len(self.rung) >= count, 10)


@pytest.fixture
def conductor():
    return Conductor()


@pytest.fixture
def sender(conductor):
    sender = DoorbellSender(conductor)
    yield sender
    conductor.gate.set()
    sender.stop()


def test_a_doorbell_is_rung_with_the_request_it_belongs_to(conductor, sender):
    with carrying(Envelope(request_id="req-1")):
        sender.ring("op-1")

    assert conductor.wait_for(1)
    assert conductor.rung == [("op-1", "req-1")]


def test_a_slow_broker_holds_nobody_up_and_loses_what_is_too_much(conductor, sender):
    conductor.gate.clear()
    before, began = metrics.DOORBELLS_LOST._value.get(), time.monotonic()

    for number in range(KEPT + 100):
        sender.ring(f"op-{number}")

    assert time.monotonic() - began < 2
    assert metrics.DOORBELLS_LOST._value.get() - before >= 99


def test_a_broker_that_is_away_loses_the_doorbell_and_the_next_one_rings(conductor, sender):
    conductor.away = True
    before = metrics.DOORBELLS_LOST._value.get()
    sender.ring("op-1")
    while metrics.DOORBELLS_LOST._value.get() == before:
        time.sleep(0.01)

    conductor.away = False
    sender.ring("op-2")

    assert conductor.wait_for(1)
    assert conductor.rung == [("op-2", None)]


def test_nothing_runs_before_the_first_doorbell(conductor):
    before = threading.active_count()

    DoorbellSender(conductor).stop()

    assert threading.active_count() == before
