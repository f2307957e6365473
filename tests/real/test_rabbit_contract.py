"""The transport's contract over a real RabbitMQ, and what only a real one shows: rights, counts, raw messages."""

from __future__ import annotations

import json
import time
import uuid

import kombu
import pytest
from real.rabbit_cloud import RabbitCloud, Vhost
from unit.rpc.transport_contract import (
    CONDUCTOR,
    H1,
    SOON_S,
    Mailbox,
    SignedContract,
    TransportContract,
    control_signing,
    host_signing,
    refused,
    wait_until,
)

from nova_lite import errors
from nova_lite.rpc import broker
from nova_lite.rpc.letter import Letter, pack
from nova_lite.rpc.port import Address
from nova_lite.rpc.transport import RabbitTransport

pytestmark = pytest.mark.rabbit


@pytest.fixture(scope="module")
def vhost(rabbit):
    vhost = Vhost(rabbit)
    yield vhost
    vhost.remove()


@pytest.fixture
def cloud(vhost):
    cloud = RabbitCloud(vhost)
    yield cloud
    cloud.close()


class TestRabbit(TransportContract, SignedContract):
    """The contract over RabbitMQ."""


def publish_raw(url, key, letter, proof=None, unique_id=None, exchange="amq.topic"):
    """Send as oslo.messaging does, with a message id of our choice, or straight to a queue."""
    arguments = {"payload": pack(letter).decode(), "proof": proof}
    message = {"method": "deliver", "args": arguments, "_unique_id": unique_id or uuid.uuid4().hex}
    envelope = {"oslo.version": "2.0", "oslo.message": json.dumps(message)}
    with kombu.Connection(url, connect_timeout=3, transport_options={"confirm_publish": True}) as connection:
        producer = kombu.Producer(connection.channel())
        producer.publish(envelope, exchange=exchange, routing_key=key, serializer="json", confirm_timeout=3)


def test_a_message_that_the_broker_delivers_again_is_handled_once(cloud):
    inbox = Mailbox()
    cloud.control().serve(Address("conductor", "c1"), {"ring": inbox})
    letter = Letter(to="conductor", method="ring", body={"number": 1})

    publish_raw(cloud.options.url, "conductor", letter, unique_id="same")
    publish_raw(cloud.options.url, "conductor", letter, unique_id="same")
    publish_raw(cloud.options.url, "conductor", letter, unique_id="fresh")

    assert len(inbox.wait_for(2)) == 2
    time.sleep(0.3)
    assert len(inbox.bodies) == 2


def test_a_stolen_command_for_another_host_is_refused(cloud):
    inbox = Mailbox()
    cloud.host("h1", host_signing()).serve(H1, {"remove_guest": inbox})
    letter = Letter(to="compute.h2.h2", method="remove_guest", body={})
    proof = control_signing().sign(letter.to, pack(letter))
    before = refused("misdirected")

    publish_raw(cloud.options.url, "compute.h1.h1", letter, proof=[proof.by, proof.value])

    assert wait_until(lambda: refused("misdirected") == before + 1)
    assert inbox.bodies == []


def test_a_host_cannot_send_to_another_host(cloud):
    inbox = Mailbox()
    cloud.host("h2", host_signing("h2")).serve(Address("compute.h2", "h2"), {"remove_guest": inbox, "self_test": inbox})
    letter = Letter(to="compute.h2.h2", method="self_test", body={})
    before = refused("forged")

    for exchange, key in (("amq.topic", "compute.h2.h2"), ("amq.topic", "compute.h2"), ("", "compute.h2.h2")):
        with pytest.raises(Exception, match="ACCESS_REFUSED"):
            publish_raw(cloud.vhost.host_url("h1"), key, letter, exchange=exchange)

    assert refused("forged") == before
    assert inbox.bodies == []


@pytest.mark.parametrize("key", ["scheduler", "consoles", "conductor.c1", "compute.h2", "anything"])
def test_a_host_sends_to_the_conductor_only(cloud, key):
    host = cloud.host("h1", host_signing())

    with pytest.raises(errors.Unavailable, match="rights"):
        host.cast(Address(key), "ring", {})


def test_a_host_cannot_read_what_is_anothers(cloud):
    cloud.host("h2", host_signing("h2")).serve(Address("compute.h2", "h2"), {})

    for queue in ("compute.h2", "compute.h2.h2", "conductor"):
        with (
            kombu.Connection(cloud.vhost.host_url("h1"), connect_timeout=3) as connection,
            pytest.raises(Exception, match="ACCESS_REFUSED"),
        ):
            connection.channel().basic_get(queue)


def test_a_host_cannot_bind_its_queue_to_what_is_anothers(cloud):
    cloud.host("h1", host_signing()).serve(H1, {})

    for key in ("compute.h2.h2", "conductor", "#", "reply.*"):
        with (
            kombu.Connection(cloud.vhost.host_url("h1"), connect_timeout=3) as connection,
            pytest.raises(Exception, match="ACCESS_REFUSED"),
        ):
            connection.channel().queue_bind("compute.h1.h1", "amq.topic", key)


def test_a_removed_hosts_user_is_refused(cloud, rabbit):
    url = broker.add_host_user(cloud.options, "h3", ctl=rabbit.ctl)
    broker.remove_host_user(cloud.options, "h3", ctl=rabbit.ctl)
    broker.remove_host_user(cloud.options, "h3", ctl=rabbit.ctl)
    transport = RabbitTransport(url, signing=host_signing(), connections=1)

    with pytest.raises(errors.Unavailable, match="user name, the password"):
        transport.cast(CONDUCTOR, "heartbeat", {"host": "h1"})

    transport.close()


def test_adding_a_host_again_with_its_password_keeps_it(cloud, rabbit):
    url = cloud.vhost.host_url("h1")

    again = broker.add_host_user(cloud.options, "h1", password=broker.password_of(url), ctl=rabbit.ctl)

    assert again == url


def test_setup_may_be_repeated(cloud, rabbit):
    before = rabbit.run_ctl("list_queues", "--vhost", cloud.vhost.name, "name", "type", "policy")

    url = broker.setup(cloud.options, rabbit.ctl)

    assert url == cloud.options.url
    assert broker.broker_status(cloud.options).well
    after = rabbit.run_ctl("list_queues", "--vhost", cloud.vhost.name, "name", "type", "policy")
    assert sorted(before.split("\n")) == sorted(after.split("\n"))
    assert "conductor\tquorum\tconductor" in after


def test_status_counts_what_waits_and_who_receives(cloud):
    cloud.control().serve(Address("scheduler", "s1"), {})
    cloud.control().cast(CONDUCTOR, "ring", {})

    expected = {"conductor": (1, 0), "consoles": (0, 0), "scheduler": (0, 1)}
    assert wait_until(lambda: broker.broker_status(cloud.options).queues == expected)


def test_an_idle_host_has_two_connections_and_three_queues(cloud, rabbit):
    host = cloud.host("h1", host_signing())
    host.serve(H1, {"self_test": Mailbox()})
    host.cast(H1, "self_test", {})
    host.cast(CONDUCTOR, "heartbeat", {"host": "h1"})

    connections = rabbit.run_ctl("list_connections", "user", "vhost").split("\n")
    queues = rabbit.run_ctl("list_queues", "--vhost", cloud.vhost.name, "name", "type").split("\n")

    assert len([line for line in connections if line.startswith("host-h1\t") and cloud.vhost.name in line]) == 2
    own = sorted(line.split("\t")[0] for line in queues if line.startswith("compute.h1"))
    assert own[:2] == ["compute.h1", "compute.h1.h1"]
    assert len(own) == 3
    assert "compute.h1.h1\tquorum" in queues


def test_a_callers_queues_go_away(cloud, rabbit):
    cloud.control().serve(Address("scheduler", "s1"), {"rank": lambda body: {}})
    caller = cloud.control()
    caller.call(Address("scheduler"), "rank", {}, timeout_s=SOON_S)

    policies = rabbit.run_ctl("list_queues", "--vhost", cloud.vhost.name, "name", "policy").split("\n")

    replies = [line for line in policies if line.startswith("reply.") and "_fanout" not in line]
    assert replies
    assert all(line.endswith("\tanswers") for line in replies)


def test_a_receiver_whose_binding_is_gone_hears_again_after_a_restart(cloud):
    inbox = Mailbox()
    listener = cloud.host("h1", host_signing()).serve(H1, {"remove_guest": inbox})
    sender = cloud.control(control_signing())
    with kombu.Connection(cloud.options.url, connect_timeout=3) as connection:
        connection.channel().queue_unbind("compute.h1.h1", "amq.topic", "compute.h1.h1")
    sender.cast(H1, "remove_guest", {"deaf": True})

    listener.restart()
    listener.wait_ready(SOON_S)
    sender.cast(H1, "remove_guest", {"deaf": False})

    assert inbox.wait_for(1) == [{"deaf": False}]


def test_a_receiver_whose_queue_is_gone_hears_again(cloud):
    inbox = Mailbox()
    listener = cloud.host("h1", host_signing()).serve(H1, {"remove_guest": inbox})
    sender = cloud.control(control_signing())
    with kombu.Connection(cloud.options.url, connect_timeout=3) as connection:
        connection.channel().queue_delete("compute.h1.h1")

    listener.restart()
    listener.wait_ready(SOON_S)
    sender.cast(H1, "remove_guest", {"again": True})

    assert inbox.wait_for(1) == [{"again": True}]


def test_a_restart_does_not_leave_connections_behind(cloud, rabbit):
    host = cloud.host("h1", host_signing())
    listener = host.serve(H1, {"self_test": Mailbox()})
    host.cast(H1, "self_test", {})

    for _ in range(3):
        listener.restart()
        assert listener.wait_ready(SOON_S)

    def connections():
        """Count the host's; rabbitmqctl itself takes seconds on a busy machine, so the wait below is long."""
        lines = rabbit.run_ctl("list_connections", "user", "vhost").split("\n")
        return len([line for line in lines if line.startswith("host-h1\t") and cloud.vhost.name in line])

    assert wait_until(lambda: connections() == 2, 90), connections()
