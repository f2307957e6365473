"""The in-process transport: the contract, and the mishaps that tests order."""

from __future__ import annotations

import dataclasses

import pytest
from unit.rpc.transport_contract import (
    CONDUCTOR,
    H1,
    MAC_KEYS,
    Mailbox,
    SignedContract,
    TransportContract,
    control_signing,
    host_signing,
    refused,
    wait_until,
)

from nova_lite import errors
from nova_lite.rpc.local import Fate, LocalBroker, LocalTransport, Parcel
from nova_lite.rpc.port import Address


class LocalCloud:
    def __init__(self):
        self.broker = LocalBroker()
        self._transports = []

    def control(self, signing=None):
        self._transports.append(LocalTransport(self.broker, signing))
        return self._transports[-1]

    def host(self, name, signing):
        assert name in MAC_KEYS
        return self.control(signing)

    def close(self):
        for transport in self._transports:
            transport.close()


@pytest.fixture
def cloud():
    cloud = LocalCloud()
    yield cloud
    cloud.close()


class TestLocal(TransportContract, SignedContract):
    """The contract on the in-process transport."""


@pytest.fixture
def inbox(cloud):
    inbox = Mailbox()
    cloud.control().serve(Address("conductor", "c1"), {"ring": inbox}, threads=1)
    return inbox


def send(cloud, *numbers):
    sender = cloud.control()
    for number in numbers:
        sender.cast(CONDUCTOR, "ring", {"number": number})


def test_messages_can_be_lost(cloud, inbox):
    cloud.broker.fate = lambda letter: Fate(copies=0 if letter.body["number"] == 1 else 1)

    send(cloud, 1, 2)

    assert inbox.wait_for(1) == [{"number": 2}]


def test_messages_can_come_twice(cloud, inbox):
    cloud.broker.fate = lambda letter: Fate(copies=2)

    send(cloud, 1)

    assert inbox.wait_for(2) == [{"number": 1}] * 2


def test_messages_can_come_late(cloud, inbox):
    cloud.broker.fate = lambda letter: Fate(delay_s=0.2 if letter.body["number"] == 1 else 0.0)

    send(cloud, 1, 2)

    assert inbox.wait_for(2) == [{"number": 2}, {"number": 1}]


def test_messages_can_be_reordered(cloud, inbox):
    cloud.broker.hold()
    send(cloud, 1, 2, 3)

    cloud.broker.release(lambda letters: [2, 0, 0])

    assert inbox.wait_for(3) == [{"number": 3}, {"number": 1}, {"number": 1}]


def test_a_broker_that_is_away_takes_nothing(cloud, inbox):
    cloud.broker.away = True

    with pytest.raises(errors.Unavailable):
        send(cloud, 1)

    cloud.broker.away = False
    send(cloud, 2)
    assert inbox.wait_for(1) == [{"number": 2}]


def test_a_deaf_listener_hears_after_a_restart(cloud):
    inbox = Mailbox()
    listener = cloud.control().serve(Address("conductor", "c1"), {"ring": inbox}, threads=1)
    listener.deaf = True
    send(cloud, 1)
    wait_until(lambda: not any(cloud.broker._queues.values()))

    listener.restart()
    send(cloud, 2)

    assert inbox.wait_for(1) == [{"number": 2}]


def test_a_message_that_the_broker_delivers_again_is_handled_once(cloud, inbox):
    cloud.broker.hold()
    send(cloud, 1)
    parcel = cloud.broker._held[0]

    cloud.broker.put(parcel)
    cloud.broker.put(parcel)
    cloud.broker.put(dataclasses.replace(parcel, id="fresh"))

    assert len(inbox.wait_for(2)) == 2


def test_a_command_for_another_host_is_refused(cloud):
    inbox = Mailbox()
    cloud.host("h1", host_signing()).serve(H1, {"remove_guest": inbox})
    cloud.broker.declare(frozenset({"compute.h2.h2"}))
    cloud.broker.hold()
    cloud.control(control_signing()).cast(Address("compute.h2", "h2"), "remove_guest", {})
    stolen = cloud.broker._held[0]
    before = refused("misdirected")

    cloud.broker.put(dataclasses.replace(stolen, key="compute.h1.h1"))

    assert wait_until(lambda: refused("misdirected") == before + 1)
    assert inbox.bodies == []


def test_what_is_no_letter_is_dropped(cloud, inbox):
    before = refused("bad_request")

    cloud.broker.put(Parcel(key="conductor", packed=b"{", proof=None))
    send(cloud, 1)

    assert inbox.wait_for(1) == [{"number": 1}]
    assert refused("bad_request") == before + 1


def test_what_was_sent_can_be_counted(cloud, inbox):
    send(cloud, 1, 2)

    assert [letter.method for letter in cloud.broker.sent] == ["ring", "ring"]
