"""Parties on the tests' RabbitMQ, closed at the end of a test."""

from __future__ import annotations

import threading
import uuid

import kombu
from real.rabbit import Rabbit

from nova_lite.conf.broker import BrokerOptions
from nova_lite.rpc.transport import RabbitTransport


class Vhost:
    """A virtual host of its own with its control side's user; hosts' users are made once."""

    def __init__(self, rabbit: Rabbit) -> None:
        self.rabbit = rabbit
        self.name = f"cloud-{uuid.uuid4().hex[:8]}"
        self.options: BrokerOptions = rabbit.options(self.name)
        self._host_urls: dict[str, str] = {}

    def host_url(self, name):
        if name not in self._host_urls:
            self._host_urls[name] = self.rabbit.host_url(self.options, name)
        return self._host_urls[name]

    def empty(self):
        """Delete the queues that tests leave behind."""
        daemons = ("conductor.c1", "conductor.c2", "scheduler.s1")
        hosts = [f"compute.{name}{end}" for name in ("h1", "h2") for end in ("", f".{name}")]
        with kombu.Connection(self.options.url, connect_timeout=3) as connection:
            channel = connection.channel()
            for queue in (*daemons, *hosts):
                channel.queue_delete(queue)
            for queue in ("conductor", "consoles", "scheduler"):
                channel.queue_purge(queue)

    def remove(self):
        self.rabbit.run_ctl("delete_vhost", self.name)


class RabbitCloud:
    """The transports of one test."""

    def __init__(self, vhost: Vhost) -> None:
        self.vhost = vhost
        self.options = vhost.options
        self._transports: list[RabbitTransport] = []

    def control(self, signing=None, url=None):
        self._transports.append(RabbitTransport(url or self.options.url, signing=signing))
        return self._transports[-1]

    def host(self, name, signing):
        self._transports.append(RabbitTransport(self.vhost.host_url(name), signing=signing, connections=1))
        return self._transports[-1]

    def close(self):
        closing = [threading.Thread(target=transport.close) for transport in self._transports]
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join()
        self.vhost.empty()
