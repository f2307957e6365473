"""Slowing down those who guess passwords and passcodes: buckets of attempts by user, address, and pair; bounded memory."""

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
KNOWN_PAIR = Rate(64, 6.0)  # one that was right before may log in many times at once: each counts until it has ended
ADDRESS = Rate(60, 1.0)
USER = Rate(100, 2.0)  # loose: a stranger must not lock a user out


@dataclasses.dataclass(frozen=True)
class Rates:
    """What is allowed for one kind of secret: a user from one address, the same once it was right, a user from all others."""

    pair: Rate
    known_pair: Rate
    user: Rate


PASSWORDS = Rates(PAIR, KNOWN_PAIR, USER)
# Two of a million passcodes are right at any moment; who tries them may have the password.
PASSCODES = Rates(Rate(10, 60.0), Rate(10, 60.0), Rate(20, 60.0))


class Throttle:
    """Counts attempts; successful ones are given back, so only failures cost.

    An address that a user has logged in from is not held back by what others do with the user's name: strangers at many
    addresses cannot lock a user out of where it works.
    """

    def __init__(self, clock: Clock) -> None:
        """Remembers the most recent keys only."""
        self._clock = clock
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._used: OrderedDict[tuple[str, ...], tuple[float, float]] = OrderedDict()

    def attempt(self, user: str, address: str, rates: Rates = PASSWORDS) -> None:
        """Count one attempt. Raises: TooManyRequests with the seconds to wait."""
        with self._lock:
            buckets = self._buckets(user, address, rates)
            wait = max(self._wait(key, rate) for key, rate in buckets)
            if wait > 0:
                raise errors.TooManyRequests("Too many failed logins; try again later.", retry_after_s=int(wait) + 1)
            for key, rate in buckets:
                self._add(key, rate, 1.0)

    def succeeded(self, user: str, address: str, rates: Rates = PASSWORDS) -> None:
        """Give the attempt back."""
        with self._lock:
            for key, rate in self._buckets(user, address, rates):
                self._add(key, rate, -1.0)
            self._known[user, address] = None
            self._known.move_to_end((user, address))
            while len(self._known) > MOST_BUCKETS:
                self._known.popitem(last=False)

    def _buckets(self, user: str, address: str, rates: Rates) -> list[tuple[tuple[str, ...], Rate]]:
        """Give what counts for an attempt."""
        pair, own = ("pair", user, address), ("address", address)
        if (user, address) in self._known:
            return [(pair, rates.known_pair), (own, ADDRESS)]
        return [(pair, rates.pair), (own, ADDRESS), (("user", user), rates.user)]

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
