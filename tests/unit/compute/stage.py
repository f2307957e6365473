"""A compute host on an in-process broker, and a conductor that writes down what it says."""

from __future__ import annotations

import threading
import time

from nova_lite.clock import SystemClock
from nova_lite.compute.host import ComputeHost, Doors
from nova_lite.compute.virt.fake.driver import FakeDriver
from nova_lite.model import wire
from nova_lite.model.guest import GuestInterface, GuestSpec, PublicKey
from nova_lite.rpc.commands import CommandHead, EnsureGuest, EnsurePower, Power, RebootGuest, RemoveGuest
from nova_lite.rpc.compute import ComputeClient, Welcome
from nova_lite.rpc.conductor import Heartbeat, PowerChange, Registration, Report, TombstoneDone
from nova_lite.rpc.local import LocalBroker, LocalTransport
from nova_lite.rpc.port import Address

HOST = "h1"
SERVER = "11111111-2222-4333-8444-555555555555"
OTHER = "99999999-2222-4333-8444-555555555555"
KINDS = {
    "register": Registration,
    "heartbeat": Heartbeat,
    "report": Report,
    "power_changed": PowerChange,
    "tombstone_done": TombstoneDone,
}


def spec(server_id=SERVER, **changes):
    values = {
        "server_id": server_id,
        "name": "web",
        "hostname": "web",
        "project_id": "p" * 32,
        "user_id": "u" * 32,
        "vcpus": 1,
        "ram_mib": 128,
        "root_gib": 1,
        **changes,
    }
    return GuestSpec(**values)


def interface(**changes):
    values = {
        "port_id": "aaaaaaaa-0000-4000-8000-000000000001",
        "network_id": "bbbbbbbb-0000-4000-8000-000000000001",
        "bridge": "br-test",
        "mac_address": "fa:16:3e:00:00:01",
        "ip_address": "10.0.0.5",
        "prefix_length": 24,
        "gateway_ip": "10.0.0.1",
        "dns_nameservers": ("10.0.0.2",),
        **changes,
    }
    return GuestInterface(**values)


def numbered_interface(number, **changes):
    """Make one of several that differ in all that must differ."""
    return interface(
        port_id=f"{number:08x}-0000-4000-8000-000000000001",
        mac_address=f"fa:16:3e:00:01:{number:02x}",
        ip_address=f"10.0.0.{100 + number}",
        **changes,
    )


def key(name="mine", data="ssh-ed25519 AAAA me\n"):
    return PublicKey(name=name, type="ssh", data=data)


def head(server_id=SERVER, *, fence=1, turn=1, **changes):
    values = {
        "server_id": server_id,
        "operation_id": "op-1",
        "request_id": "req-1",
        "step": "start_guest",
        "unwinding": False,
        "attempt": 1,
        "fence": fence,
        "turn": turn,
        "incarnation": 1,
        "time_left_s": 60.0,
        **changes,
    }
    return CommandHead(**values)


class Conductor:
    """Takes all that hosts say; welcomes and acknowledges unless told not to."""

    def __init__(self, broker):
        self.transport = LocalTransport(broker)
        self.client = ComputeClient(self.transport)
        self.said = []
        self.acknowledges = self.welcomes = True
        self.incarnation = 0
        self.owed = ()
        self._change = threading.Condition()
        handlers = {name: self._taker(name) for name in KINDS}
        self.transport.serve(Address("conductor", "c1"), handlers, threads=1)

    def of(self, kind):
        return [message for message in self.said if isinstance(message, kind)]

    def wait_for(self, kind, count=1, timeout_s=10.0):
        with self._change:
            assert self._change.wait_for(lambda: len(self.of(kind)) >= count, timeout_s), f"{kind.__name__}: {self.said}"
        return self.of(kind)

    def _taker(self, name):
        def take(body):
            message = wire.from_plain(KINDS[name], body)
            with self._change:
                self.said.append(message)
                self._change.notify_all()
            self._answer(message)

        return take

    def _answer(self, message):
        if isinstance(message, Registration):
            self.incarnation += 1
            if self.welcomes:
                self.client.welcome(
                    message.host, Welcome(nonce=message.nonce, incarnation=self.incarnation, tombstones=self.owed)
                )
        elif self.acknowledges and isinstance(message, Report):
            self.client.ack_report(message.host, message.id)
        elif self.acknowledges and isinstance(message, TombstoneDone):
            self.client.ack_report(message.host, message.report_id)


class Stage:
    """One host and its conductor."""

    def __init__(self, folder):
        self.folder = folder
        self.broker = LocalBroker()
        self.conductor = Conductor(self.broker)
        self.send = self.conductor.client
        self.host = None

    def start(self):
        self.driver = FakeDriver(self.folder, HOST)
        self.host = ComputeHost(
            Doors(
                host=HOST,
                folder=self.folder,
                transport=LocalTransport(self.broker),
                driver=self.driver,
                clock=SystemClock(),
            )
        )
        self.host.start()
        return self

    def stop(self):
        if self.host is not None:
            self.host.stop()
            self.host = None

    def welcomed(self):
        wait_until(lambda: self.host.monitor.knows(self.conductor.incarnation) and self.conductor.incarnation)
        return self

    def ensure(self, order=None, **changes):
        order = order or head()
        self.send.order(HOST, EnsureGuest(head=order, spec=spec(order.server_id, **changes)))

    def remove(self, order):
        self.send.order(HOST, RemoveGuest(head=order))

    def power(self, order, power=Power.ON):
        self.send.order(HOST, EnsurePower(head=order, power=power, graceful_s=1.0))

    def reboot(self, order, *, hard=True):
        self.send.order(HOST, RebootGuest(head=order, hard=hard, graceful_s=1.0))

    def behave(self, text):
        (self.folder / "behaviour.json").write_text(text)

    def guests(self):
        return {guest.server_id: guest.power_state for guest in self.driver.list_guests()}


def wait_until(true, timeout_s=10.0):
    until = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.01)
