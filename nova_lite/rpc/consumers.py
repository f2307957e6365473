"""Has a server of oslo.messaging tell the broker that it takes no more messages, which the library itself never does.

Its stop() ends the thread that receives, but the broker goes on to give messages to the connection until it is closed, and
that is after the last handler has ended. What came meanwhile is held up for so long; and then lost, because close() waits
for an answer of the broker first, acknowledges all messages that come before it, and hands them to nobody.
"""

from __future__ import annotations

import contextlib
from typing import Any

import amqp.exceptions
import kombu.exceptions

LOST = (amqp.exceptions.AMQPError, kombu.exceptions.KombuError, OSError)


def cancel_consumers(server: Any) -> None:
    """Have the receiving thread of a running server cancel its consumers, as its next work or as its last.

    It has to be that thread, connections are not for two; and it hands on what comes until the broker has agreed. The
    library has no public way to it, so what is used of its inside stands in this file only.
    """
    listener = server.listener._poll_style_listener
    listener._message_operations_handler.do(lambda: _cancel(listener.conn))


def _cancel(connection: Any) -> None:
    """Cancel the consumers of queues that outlive the server; the library deletes the other one, that of `fanout`."""
    for consumer, tag in list(connection._consumers.items()):
        if consumer.type == "fanout":
            continue
        del connection._consumers[consumer]  # else a connection that was lost meanwhile would have it again
        if tag in connection._new_tags:
            connection._new_tags.remove(tag)  # the broker does not know it yet
            continue
        with contextlib.suppress(*LOST):  # the broker gives what it had sent over a lost connection to another
            consumer.cancel(tag)
