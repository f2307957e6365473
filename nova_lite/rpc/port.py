"""What the conversations need of a message transport; `transport.py` is the real one, `local.py` the tests'."""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

Handler = Callable[[Mapping[str, Any]], Any]


@dataclasses.dataclass(frozen=True)
class Address:
    """Where a message goes: a topic (any of its servers), or one server of it."""

    topic: str
    server: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Envelope:
    """What every message carries beside its body; it goes into the handler's log lines too."""

    request_id: str | None = None
    operation_id: str | None = None
    time_left_s: float | None = None  # counted from receipt, never a time of day


ENVELOPE: contextvars.ContextVar[Envelope | None] = contextvars.ContextVar("envelope", default=None)
"""What the work in hand carries: log lines show its ids (runtime/logging.py)."""


@contextlib.contextmanager
def carrying(envelope: Envelope | None) -> Iterator[None]:
    """Let log lines of this thread name the request and the operation until the block ends."""
    token = ENVELOPE.set(envelope)
    try:
        yield
    finally:
        ENVELOPE.reset(token)


class Listener(Protocol):
    """A running receiver."""

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait until messages can arrive; False when the broker is still away. It goes on trying in any case."""

    def restart(self) -> None:
        """Build connection and queues anew, for a receiver that hears nothing. Returns at once; may be repeated."""

    def stop(self, timeout_s: float = 5.0) -> None:
        """Take no more messages, let the handlers in hand finish, close. May be repeated."""


class Transport(Protocol):
    """Messages by topic. A cast that returned is in the broker, not executed; any message may come twice or never."""

    def cast(self, address: Address, method: str, body: Mapping[str, Any], envelope: Envelope | None = None) -> None:
        """Send and forget. Raises: Unavailable when the broker does not take it within 5 seconds."""

    def call(
        self, address: Address, method: str, body: Mapping[str, Any], *, timeout_s: float, envelope: Envelope | None = None
    ) -> Any:
        """Send and wait for the answer (JSON values).

        Raises: Unavailable when none came in time; the NovaLiteError that the handler raised, by its code.
        """

    def serve(self, address: Address, handlers: Mapping[str, Handler], *, threads: int = 4) -> Listener:
        """Hand each message for `address` (a topic and a server name) to the handler of its method's name."""

    def close(self) -> None:
        """Close all connections."""
