"""The conductor's clockwork: each reconciler in its own time, one after another, in one thread."""

from __future__ import annotations

import dataclasses
import logging
import random
import threading
from collections.abc import Callable

from nova_lite import errors
from nova_lite.clock import Clock

LOG = logging.getLogger(__name__)
LOOK_S = 1.0
DEAF_S = 120.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chore:
    """Something to be done every `every_s` seconds; doing it twice, or on two conductors at once, does no harm."""

    name: str
    every_s: float
    act: Callable[[], object]


class Housekeeping:
    """Runs chores until it is stopped. What fails is tried again in its next turn."""

    def __init__(self, chores: tuple[Chore, ...], clock: Clock) -> None:
        """The first turns are spread, so that conductors started together do not all look at once."""
        self._chores = chores
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="housekeeping", daemon=True)
        self._due = {chore.name: clock.monotonic() + random.uniform(0, min(chore.every_s, 60.0)) for chore in chores}
        self._round_at = clock.monotonic()

    def start(self) -> None:
        """Begin."""
        self._round_at = self._clock.monotonic()
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """End after the chore in hand. May be repeated."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def alive(self) -> bool:
        """Whether the thread comes round."""
        return self._thread.is_alive() and self._clock.monotonic() - self._round_at < DEAF_S

    def turn(self) -> None:
        """Do what is due."""
        self._round_at = self._clock.monotonic()
        for chore in self._chores:
            if self._due[chore.name] > self._clock.monotonic():
                continue
            self._due[chore.name] = self._clock.monotonic() + chore.every_s
            try:
                chore.act()
            except errors.NovaLiteError as error:
                LOG.warning("A chore could not be done: %s", error.message, extra={"action": chore.name})

    def _work(self) -> None:
        while not self._stopping.wait(LOOK_S):
            self.turn()
