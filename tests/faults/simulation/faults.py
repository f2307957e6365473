"""Where a simulated process may die: named points before and after whatever leaves a mark outside of its memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Crash(BaseException):
    """The process is gone at this point."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Point:
    """One arrival at a point. `what` says more: the step, the message, the method."""

    process: str
    seam: str  # journal.commit, publish, ack, driver, ledger, step
    side: str  # before or after
    what: str

    def __str__(self) -> str:
        return f"{self.process} {self.seam}:{self.side} ({self.what})"


class Fates:
    """Counts arrivals, and kills at those whose numbers were chosen. Nothing is counted before `begin`."""

    def __init__(self) -> None:
        self.passed: list[Point] = []
        self.deaths: list[Point] = []
        self._deadly: frozenset[int] = frozenset()
        self._counting = False

    def begin(self, deadly: frozenset[int] = frozenset()) -> None:
        """Count from here; die at the arrivals with these numbers."""
        self._deadly, self._counting = deadly, True

    def reach(self, point: Point) -> None:
        """Come to a point. Raises: Crash when it was chosen."""
        if not self._counting:
            return
        number = len(self.passed)
        self.passed.append(point)
        if number in self._deadly:
            self.deaths.append(point)
            raise Crash


@dataclasses.dataclass(frozen=True)
class Seams:
    """The points of one process."""

    fates: Fates
    process: str

    def reach(self, seam: str, side: str, what: str) -> None:
        """Come to a point. Raises: Crash when it was chosen."""
        self.fates.reach(Point(process=self.process, seam=seam, side=side, what=what))

    def around(self, seam: str, what: str, act: Callable[[], T]) -> T:
        """Do something with a point on either side."""
        self.reach(seam, "before", what)
        result = act()
        self.reach(seam, "after", what)
        return result


class Wrapped:
    """An adapter with points around some of its methods; the rest is passed on."""

    def __init__(self, inner: Any, seams: Seams, seam: str, methods: frozenset[str]) -> None:
        self._inner, self._seams, self._seam, self._methods = inner, seams, seam, methods

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in self._methods:
            return found
        return lambda *args, **named: self._seams.around(self._seam, name, lambda: found(*args, **named))
