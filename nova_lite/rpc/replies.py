"""Answers to calls: a caller waits for a letter with its call's id on a queue of its own process.

We do not use oslo.messaging's own calls: their answers go by the default exchange, and a host that may write there
may write to every queue of the cloud (decision on the broker's rights).
"""

from __future__ import annotations

import queue
import threading
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from nova_lite import errors
from nova_lite.rpc.port import Address

METHOD = "reply"


def new_address() -> Address:
    """Make the address at which one process awaits answers. Its queues expire by the broker's policy (broker.py)."""
    return Address(f"reply.{uuid.uuid4().hex}", "caller")


class Replies:
    """The calls in hand of one process."""

    def __init__(self) -> None:
        """Nothing is awaited yet."""
        self._waiting: dict[str, queue.SimpleQueue[Mapping[str, Any]]] = {}
        self._lock = threading.Lock()

    def expect(self) -> str:
        """Open a call; give its id, a secret of caller and callee."""
        call_id = uuid.uuid4().hex
        with self._lock:
            self._waiting[call_id] = queue.SimpleQueue()
        return call_id

    def settle(self, body: Mapping[str, Any]) -> None:
        """Handle an answer; one that nobody awaits any more is dropped."""
        with self._lock:
            waiting = self._waiting.get(str(body.get("id")))
        if waiting is not None:
            waiting.put(body)

    def wait(self, call_id: str, timeout_s: float) -> Any:
        """Give the answer's result. Raises: Unavailable when none came in time; the error that the callee named."""
        with self._lock:
            waiting = self._waiting[call_id]
        try:
            body = waiting.get(timeout=max(timeout_s, 0.0))
        except queue.Empty as error:
            raise errors.Unavailable("No answer came in time.") from error
        fault = body.get("error")
        if fault is not None:
            raise error_of(str(fault.get("code")), fault.get("message"))
        return body.get("result")

    def forget(self, call_id: str) -> None:
        """Close a call."""
        with self._lock:
            self._waiting.pop(call_id, None)


def error_of(code: str, message: str | None) -> errors.NovaLiteError:
    """Make the error of our tree that has this code; an unknown code (a newer callee's) gives the root of the tree."""
    for kind in _tree(errors.NovaLiteError):
        if kind.code == code:
            return kind(message)
    return errors.NovaLiteError(message)


def _tree(kind: type[errors.NovaLiteError]) -> Iterator[type[errors.NovaLiteError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _tree(child)
