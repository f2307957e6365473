"""The broker of the simulation: queues in memory, at most one delivery of each message, and mishaps by message."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from faults.simulation.faults import Seams

from nova_lite.clock import SimulatedClock
from nova_lite.rpc.port import Address

Fate = Callable[["Message"], tuple[float, ...]]


@dataclasses.dataclass
class Message:
    """One message under way; `due` is when it comes."""

    number: int
    to: str
    method: str
    body: bytes
    due: float = 0.0


def at_once(_message: Message) -> tuple[float, ...]:
    """Let a message come once, now."""
    return (0.0,)


class Broker:
    """`fate` gives the delays of a message's copies: none for one that is lost. `window` > 1 mixes what comes."""

    def __init__(self, clock: SimulatedClock) -> None:
        self.fate: Fate = at_once
        self.sent = 0
        self.cut: set[str] = set()  # hosts whose messages, both ways, are lost
        self.waiting: list[Message] = []
        self._clock = clock

    def publish(self, to: str, method: str, body: Mapping[str, Any]) -> None:
        """Take a message."""
        self.sent += 1
        if to.removeprefix("compute.") in self.cut:
            return
        message = Message(self.sent, to, method, orjson.dumps(body))
        for delay in self.fate(message):
            self.waiting.append(dataclasses.replace(message, due=self._clock.now + delay))

    def take(self) -> list[Message]:
        """Give what is due by now, in the order of its time."""
        now = self._clock.now
        due = [message for message in self.waiting if message.due <= now]
        if due:
            self.waiting = [message for message in self.waiting if message.due > now]
            due.sort(key=lambda message: (message.due, message.number))
        return due

    def next_due(self) -> float:
        """Give when something comes next."""
        return min((message.due for message in self.waiting), default=float("inf"))


class Wire:
    """One process's transport: it only casts, with points around each publish."""

    def __init__(self, broker: Broker, seams: Seams) -> None:
        self._broker, self._seams = broker, seams

    def cast(self, address: Address, method: str, body: Mapping[str, Any], envelope: Any = None) -> None:
        """Send and forget."""
        if self._seams.process in self._broker.cut:
            return
        seam = "ack" if method == "ack_report" else "publish"
        self._seams.around(seam, method, lambda: self._broker.publish(address.topic, method, copy.copy(body)))
