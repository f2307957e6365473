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
        self.woken = threading.Event()

    def start(self, override_pool_size):
        pass

    def stop(self):
        pass

    def wait(self):
        self.woken.wait(10)

    def nudge(self):
        self.nudges += 1
        if self.nudges % 2 == 0:
            self.woken.set()


def test_a_receiver_ends_soon_although_another_took_its_message():
    server = Server()
    doors = Doors(make_server=lambda: server, nudge=server.nudge, explain=str)
    listener = RabbitListener(doors, threads=1, trouble=Trouble(logging.getLogger(__name__)))
    listener.start()
    assert listener.wait_ready(5)
    began = time.monotonic()

    listener.stop(8.0)

    assert server.woken.is_set()
    assert time.monotonic() - began < 5
    assert server.nudges == 2
