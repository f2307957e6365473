"""Slowing down those who guess passwords: buckets of attempts for each user, address, and pair; bounded memory."""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict

from nova_lite import errors
from nova_lite.clock import Clock

MOST_BUCKETS = 20_000


@dataclasses.dataclass(frozen=True)
class Rate:
    """How many attempts may come at once, and how many seconds give one back."""

    burst: int
    seconds_each: float


PAIR = Rate(10, 6.0)  # one user from one address
ADDRESS = Rate(60, 1.0)
USER = Rate(100, 2.0)  # loose: a stranger must not lock a user out


class Throttle:
    """Counts attempts; successful ones are given back, so only failures cost."""

    def __init__(self, clock: Clock) -> None:
        """Remembers the most recent keys only."""
        self._clock = clock
        self._lock = threading.Lock()
        self._used: OrderedDict[tuple[str, ...], tuple[float, float]] = OrderedDict()

    def attempt(self, user: str, address: str) -> None:
        """Count one attempt. Raises: TooManyRequests with the seconds to wait."""
        with self._lock:
            wait = max(self._wait(key, rate) for key, rate in _buckets(user, address))
            if wait > 0:
                raise errors.TooManyRequests("Too many failed logins; try again later.", retry_after_s=int(wait) + 1)
            for key, rate in _buckets(user, address):
                self._add(key, rate, 1.0)

    def succeeded(self, user: str, address: str) -> None:
        """Give the attempt back."""
        with self._lock:
            for key, rate in _buckets(user, address):
                self._add(key, rate, -1.0)

    def _level(self, key: tuple[str, ...], rate: Rate) -> float:
        used, since = self._used.get(key, (0.0, 0.0))
        return max(0.0, used - (self._clock.monotonic() - since) / rate.seconds_each)

    def _wait(self, key: tuple[str, ...], rate: Rate) -> float:
        return (self._level(key, rate) + 1.0 - rate.burst) * rate.seconds_each

    def _add(self, key: tuple[str, ...], rate: Rate, amount: float) -> None:
        level = max(0.0, self._level(key, rate) + amount)
        self._used[key] = (level, self._clock.monotonic())
        self._used.move_to_end(key)
        while len(self._used) > MOST_BUCKETS:
            self._used.popitem(last=False)


def _buckets(user: str, address: str) -> tuple[tuple[tuple[str, ...], Rate], ...]:
    return ((("pair", user, address), PAIR), (("address", address), ADDRESS), (("user", user), USER))
