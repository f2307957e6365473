"""A receiver that is closed wakes its server, also when another daemon of the same name takes the message meant for it."""

from __future__ import annotations

import logging
import threading
import time

from nova_lite.rpc.listener import Doors, RabbitListener
from nova_lite.rpc.trouble import Trouble


class Server:
    """Ends when it gets a message, as oslo.messaging's does; of each two, the first goes to another receiver."""

    def __init__(self):
        self.nudges = 0
        self.hushed = []
        self.woken = threading.Event()

    def start(self, override_pool_size):
        pass

    def stop(self):
        self.woken.wait(10)

    def wait(self):
        pass

    def hush(self, server):
        self.hushed.append(server)

    def nudge(self):
        self.nudges += 1
        if self.nudges % 2 == 0:
            self.woken.set()


def test_a_receiver_ends_soon_although_another_took_its_message():
    server = Server()
    doors = Doors(make_server=lambda: server, hush=server.hush, nudge=server.nudge, explain=str)
    listener = RabbitListener(doors, threads=1, trouble=Trouble(logging.getLogger(__name__)))
    listener.start()
    assert listener.wait_ready(5)
    began = time.monotonic()

    listener.stop(8.0)

    assert server.woken.is_set()
    assert time.monotonic() - began < 5
    assert server.nudges == 2
    assert server.hushed == [server]


class Overtaken(Server):
    """Takes its time to start."""

    def __init__(self):
        super().__init__()
        self.starting = threading.Event()
        self.may_start = threading.Event()
        self.ended = threading.Event()

    def start(self, override_pool_size):
        self.starting.set()
        self.may_start.wait(10)

    def wait(self):
        self.ended.set()


def test_a_server_whose_start_was_overtaken_by_a_restart_is_hushed_and_woken_too():
    slow, next_one = Overtaken(), Server()
    servers = iter([slow, next_one])
    doors = Doors(make_server=lambda: next(servers), hush=slow.hush, nudge=slow.nudge, explain=str)
    listener = RabbitListener(doors, threads=1, trouble=Trouble(logging.getLogger(__name__)))
    listener.start()
    assert slow.starting.wait(5)

    listener.restart()
    assert listener.wait_ready(5)
    slow.may_start.set()

    assert slow.ended.wait(5)
    assert slow.hushed == [slow]
    assert slow.nudges == 2
