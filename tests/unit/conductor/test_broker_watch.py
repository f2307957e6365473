"""Silence of hosts counts only while the broker takes messages."""

from __future__ import annotations

import math

import pytest

from nova_lite import errors
from nova_lite.clock import SimulatedClock
from nova_lite.conductor.broker_watch import BrokerWatch
from nova_lite.conductor.host_book import HostBook


class Broker:
    """A transport that takes messages or not."""

    def __init__(self):
        self.away = False
        self.sent = []

    def cast(self, address, method, body, envelope=None):
        if self.away:
            raise errors.Unavailable("The broker does not answer.")
        self.sent.append((address.topic, method, body))


@pytest.fixture
def broker():
    return Broker()


@pytest.fixture
def clock():
    return SimulatedClock()


@pytest.fixture
def watch(broker, clock):
    return BrokerWatch(broker, clock)


def test_nothing_is_known_of_an_outage_before_one_is_seen(watch, broker):
    watch.look()

    assert watch.heard_for_s() == math.inf
    assert broker.sent == [("conductor", "probe", {})]


def test_hosts_can_be_heard_from_the_end_of_an_outage_on(watch, broker, clock):
    broker.away = True
    watch.look()
    clock.sleep(600)
    away = watch.heard_for_s()
    broker.away = False
    watch.look()
    clock.sleep(20)
    watch.look()

    assert (away, watch.heard_for_s()) == (0.0, 20.0)


def test_the_brokers_silence_is_not_a_hosts(watch, broker, clock):
    book = HostBook(None, watch.heard_for_s)
    before = book.counted(130.0)
    broker.away = True
    watch.look()

    assert (before, book.counted(130.0)) == (130.0, 0.0)
