"""Which requests are let in when more come than a process can serve: each kind has its share of the threads.

Somebody has to be refused then, and that must be quick: a thread that waits for a slot is one that answers nobody. So a
request waits for `PATIENCE_S` at most, counted from when it came, also the time in the queue before it had a thread.
Changes, lists and logins wait in lines of their own (`lanes`), where they are in nobody's way. They come in bursts, from
clients that open ten or a hundred connections at once and take a refusal for a failure. So they wait for `BURST_S`, unless
more than `LINES` says are in their line: that is no burst but a flood.
After that a request is told when to come back: 429 to a project that has half of all changes in hand, 503 to anybody else.
The doorman (`lines`) turns away by the same times what does not even fit into a process.
Thus no queue is longer than these times, and what has a share of its own (operators, health) is never far behind.
"""

from __future__ import annotations

import contextlib
import enum
import threading
import time
from collections import Counter
from collections.abc import Iterator

from nova_lite import errors, metrics

PATIENCE_S = 0.25
BURST_S = 6.0  # less than a worker that is told to end gives the requests in hand
RETRY_S = 1
OPERATORS = ("/os-services", "/os-hypervisors")
_QUEUED = threading.local()


class Kind(enum.Enum):
    """What a request costs, with its share of the threads. Each has one at least."""

    LIST = ("list", 4)
    READ = ("read", 2)
    CHANGE = ("change", 2)
    LOGIN = ("login", 4)
    OPERATOR = ("operator", 4)
    HOST = ("host", 4)  # waits for a host's answer, up to ten seconds
    FREE = ("free", 1)  # version documents, and image bytes, which have slots of their own

    def __init__(self, label: str, divisor: int) -> None:
        """`divisor`: the share is the number of threads divided by it."""
        self.label = label
        self.divisor = divisor


LINES = {Kind.CHANGE: 128, Kind.LIST: 32, Kind.LOGIN: 32}  # in one process, those being served counted


def kind_of(method: str, path: str, *, token: bool = True, raw: bool = False) -> Kind:
    """Tell what a route's requests are. A path without a field is a collection: reading it may be long."""
    if raw or not token:
        return Kind.LOGIN if method == "POST" and not raw else Kind.FREE
    if path.startswith(OPERATORS):
        return Kind.OPERATOR
    if method in ("GET", "HEAD"):
        return Kind.READ if "{" in path else Kind.LIST
    return Kind.CHANGE


def gates_of(kind: Kind) -> tuple[Kind, Kind]:
    """Say what is asked for before the token is looked at, so that refusing is cheap, and what after it.

    Only changes are counted by project, which the token tells.
    """
    return (Kind.FREE, kind) if kind is Kind.CHANGE else (kind, Kind.FREE)


def note_queued(waited_s: float, line: int = 0) -> None:
    """Say how long the request that this thread takes up now has waited, and how many its line has, those served too."""
    _QUEUED.waited_s, _QUEUED.line = waited_s, line


def patience_left(kind: Kind) -> float:
    """Give the seconds that this thread's request may still wait."""
    if kind is Kind.HOST:
        return 0.0
    in_burst = getattr(_QUEUED, "line", 0) <= LINES.get(kind, -1)
    return max(0.0, (BURST_S if in_burst else PATIENCE_S) - getattr(_QUEUED, "waited_s", 0.0))


class Admission:
    """Counts the requests in hand by kind, and changes by project."""

    def __init__(self, threads: int = 16) -> None:
        """`threads` are those of this process."""
        self._gates = {kind: _Gate(max(1, threads // kind.divisor)) for kind in Kind if kind is not Kind.FREE}

    @contextlib.contextmanager
    def slot(self, kind: Kind, project_id: str | None = None) -> Iterator[None]:
        """Hold a slot while the request is served.

        Raises: TooManyRequests when the caller's project has half of the changes in hand; else Unavailable. Nothing was done.
        """
        if getattr(_QUEUED, "waited_s", 0.0) > BURST_S:  # at once: a queue that is behind catches up only by what costs nothing
            metrics.REQUESTS_REFUSED.labels(kind.label).inc()
            raise _refusal(greedy=False)
        gate = self._gates.get(kind)
        if gate is None:
            yield
            return
        owner = (project_id or "") if kind is Kind.CHANGE else ""
        if not gate.enter(owner, patience_left(kind)):
            metrics.REQUESTS_REFUSED.labels(kind.label).inc()
            raise _refusal(greedy=bool(owner) and gate.is_greedy(owner))
        try:
            yield
        finally:
            gate.leave(owner)


class _Gate:
    """A number of slots. A slot that gets free goes to a project that holds less than half, if one waits."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._held: Counter[str] = Counter()
        self._modest_waiting = 0
        self._changed = threading.Condition()

    def enter(self, owner: str, patience_s: float) -> bool:
        """Take a slot, if one is free in time."""
        until = time.monotonic() + patience_s
        with self._changed:
            modest = not self._holds_half(owner)
            self._modest_waiting += modest
            try:
                while not self._is_open_to(owner):
                    left_s = until - time.monotonic()
                    if left_s <= 0:
                        return False
                    self._changed.wait(left_s)
                self._held[owner] += 1
                return True
            finally:
                self._modest_waiting -= modest

    def leave(self, owner: str) -> None:
        """Give a slot back."""
        with self._changed:
            self._held[owner] -= 1
            if not self._held[owner]:
                del self._held[owner]
            self._changed.notify_all()

    def is_greedy(self, owner: str) -> bool:
        """Whether an owner holds half of the slots or more."""
        with self._changed:
            return self._holds_half(owner)

    def _holds_half(self, owner: str) -> bool:
        return 2 * self._held[owner] >= self._slots

    def _is_open_to(self, owner: str) -> bool:
        if self._held.total() >= self._slots:
            return False
        return not (self._modest_waiting and self._holds_half(owner))


def _refusal(*, greedy: bool) -> errors.NovaLiteError:
    if greedy:
        words = "This project has too many requests in hand; try again in a moment."
        return errors.TooManyRequests(words, retry_after_s=RETRY_S)
    return errors.Busy("Too many requests come at the moment; try again in a moment.", retry_after_s=RETRY_S)
