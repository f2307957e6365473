"""RabbitMQ stopped, hanging, blocking its publishers, or refusing the password: bounded waits, few log lines."""

from __future__ import annotations

import logging
import threading
import time

import kombu
import pytest
from real.rabbit import Rabbit
from real.rabbit_cloud import RabbitCloud, Vhost
from unit.rpc.transport_contract import CONDUCTOR, H1, SOON_S, Mailbox, control_signing, host_signing, wait_until

from nova_lite import errors
from nova_lite.rpc import broker
from nova_lite.rpc.port import Address
from nova_lite.rpc.transport import RabbitTransport

pytestmark = pytest.mark.rabbit


@pytest.fixture(scope="module")
def own_rabbit():
    """A node that may be stopped without disturbing other tests of this process."""
    node = Rabbit()
    try:
        node.start()
        yield node
    finally:
        node.remove()


@pytest.fixture
def cloud(own_rabbit):
    vhost = Vhost(own_rabbit)
    cloud = RabbitCloud(vhost)
    yield cloud
    cloud.close()


@pytest.fixture
def lines():
    """What a daemon's log gets: all that passes the loggers' own filters at INFO and above."""
    records = []

    class Keep(logging.Handler):
        def emit(self, record):
            records.append(f"{record.name} {record.levelname} {record.getMessage()}")

    handler = Keep(level=logging.INFO)
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.INFO)
    root.addHandler(handler)
    yield records
    root.removeHandler(handler)
    root.setLevel(level)


def try_cast(transport, body, outcomes):
    began = time.monotonic()
    try:
        transport.cast(CONDUCTOR, "ring", body)
        outcomes.append(("sent", time.monotonic() - began))
    except errors.Unavailable:
        outcomes.append(("unavailable", time.monotonic() - began))


@pytest.mark.slow
def test_all_works_again_after_the_broker_was_stopped_for_20_seconds(cloud, own_rabbit, lines):
    bells, commands = Mailbox(), Mailbox()
    conductor = cloud.control(control_signing())
    conductor.serve(Address("conductor", "c1"), {"ring": bells})
    host = cloud.host("h1", host_signing())
    host.serve(H1, {"remove_guest": commands, "get_console_output": lambda body: {"output": "x"}})
    sender = cloud.control(control_signing())
    sender.call(H1, "get_console_output", {}, timeout_s=SOON_S)
    sender.cast(CONDUCTOR, "ring", {"before": True})
    bells.wait_for(1)
    outcomes, began = [], time.monotonic()

    own_rabbit.stop()
    while time.monotonic() - began < 20:
        try_cast(sender, {"during": True}, outcomes)
        time.sleep(1)
    own_rabbit.start()

    assert outcomes
    assert all(outcome == "unavailable" and seconds < 6 for outcome, seconds in outcomes)
    sender.cast(CONDUCTOR, "ring", {"after": True})
    sender.cast(H1, "remove_guest", {"after": True})
    assert {"after": True} in bells.wait_for(2, 20)
    assert commands.wait_for(1, 20) == [{"after": True}]
    assert wait_until(lambda: answers(sender), 20)
    assert len(lines) <= 6, lines


def answers(sender):
    try:
        return sender.call(H1, "get_console_output", {}, timeout_s=2.0) == {"output": "x"}
    except errors.Unavailable:
        return False


def test_a_broker_that_was_killed_keeps_what_it_took(cloud, own_rabbit):
    time.sleep(7)  # RabbitMQ 3.10 saves what it knows of a *new* queue every 5 seconds only
    sender = cloud.control()
    for number in range(10):
        sender.cast(CONDUCTOR, "ring", {"number": number})

    own_rabbit.kill()
    own_rabbit.start()

    inbox = Mailbox()
    cloud.control().serve(Address("conductor", "c1"), {"ring": inbox}).wait_ready(20)
    assert len(inbox.wait_for(10, 20)) == 10


def test_a_blocked_publisher_is_told_in_time(cloud, own_rabbit):
    sender = cloud.control()
    sender.cast(CONDUCTOR, "ring", {})
    outcomes = []
    own_rabbit.run_ctl("set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        threads = [threading.Thread(target=try_cast, args=(sender, {}, outcomes)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    finally:
        own_rabbit.run_ctl("set_vm_memory_high_watermark", "absolute", "2GB")

    assert [outcome for outcome, _ in outcomes] == ["unavailable"] * 6
    assert max(seconds for _, seconds in outcomes) < 6
    assert wait_until(lambda: sends(sender), 20)


def sends(sender):
    outcomes = []
    try_cast(sender, {}, outcomes)
    return outcomes[0][0] == "sent"


def test_a_hanging_broker_holds_nobody_up(cloud, own_rabbit):
    listener = cloud.control().serve(Address("conductor", "c1"), {})
    connected, fresh, serving = cloud.control(), cloud.control(), cloud.control()
    connected.cast(CONDUCTOR, "ring", {})
    outcomes, seconds = [], []

    def measure(work):
        began = time.monotonic()
        work()
        seconds.append(time.monotonic() - began)

    works = [
        lambda: try_cast(connected, {}, outcomes),
        lambda: try_cast(fresh, {}, outcomes),
        lambda: listener.stop(5.0),
        lambda: serving.serve(Address("scheduler", "s1"), {}),
    ]
    own_rabbit.pause()
    try:
        threads = [threading.Thread(target=measure, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    finally:
        own_rabbit.resume()

    assert [outcome for outcome, _ in outcomes] == ["unavailable"] * 2
    assert len(seconds) == len(works)
    assert max(seconds) < 7


def test_a_daemon_that_starts_before_the_broker_hears_when_it_is_there(cloud, own_rabbit):
    inbox = Mailbox()
    own_rabbit.stop()
    try:
        began = time.monotonic()
        listener = cloud.control().serve(Address("conductor", "c1"), {"ring": inbox})
        waited = time.monotonic() - began
        ready = listener.wait_ready(0)
    finally:
        own_rabbit.start()

    assert waited < 6
    assert not ready
    assert listener.wait_ready(20)
    cloud.control().cast(CONDUCTOR, "ring", {"late": True})
    assert inbox.wait_for(1) == [{"late": True}]


def test_a_wrong_password_is_told_once_and_ends_when_it_is_right(cloud, own_rabbit, lines):
    password = broker.password_of(cloud.options.url)
    wrong = cloud.options.url.replace(password, "wrong-secret")
    transport = RabbitTransport(wrong)
    listener = transport.serve(Address("conductor", "c1"), {})
    for _ in range(3):
        with pytest.raises(errors.Unavailable, match="password"):
            transport.cast(CONDUCTOR, "ring", {})
    time.sleep(5)

    own_rabbit.run_ctl("change_password", cloud.vhost.name, "wrong-secret")

    assert listener.wait_ready(20)
    transport.close()
    assert len([line for line in lines if "WARNING" in line or "ERROR" in line]) <= 1, lines
    assert not [line for line in lines if "secret" in line]
    own_rabbit.run_ctl("change_password", cloud.vhost.name, password)


def test_queues_of_another_kind_are_told(own_rabbit, lines):
    vhost = Vhost(own_rabbit)
    own_rabbit.run_ctl("delete_queue", "--vhost", vhost.name, "conductor")
    with kombu.Connection(vhost.options.url) as connection:
        connection.channel().queue_declare("conductor", durable=True, auto_delete=False)
    transport = RabbitTransport(vhost.options.url)

    transport.serve(Address("conductor", "c1"), {})

    transport.close()
    assert len([line for line in lines if "WARNING" in line or "ERROR" in line]) <= 2, lines
