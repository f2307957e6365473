"""Time and sleep as a thing that is passed in, so that tests can run an hour in a millisecond."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """What code needs of time. `monotonic` only compares with itself on one machine; `wall` is for ages in hours or days."""

    def monotonic(self) -> float:
        """Give seconds since the machine booted, suspended time included."""

    def wall(self) -> float:
        """Give seconds since 1970-01-01 UTC."""

    def sleep(self, seconds: float) -> None:
        """Pause the calling thread."""

    def boot_id(self) -> str:
        """Give the name of this boot of the machine: `monotonic` values of another boot mean nothing."""


class SystemClock:
    """The machine's own time: CLOCK_BOOTTIME and the wall clock."""

    def monotonic(self) -> float:
        """Give seconds since the machine booted, suspended time included."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def wall(self) -> float:
        """Give seconds since 1970-01-01 UTC."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Pause the calling thread."""
        time.sleep(seconds)

    def boot_id(self) -> str:
        """Give the kernel's name of this boot."""
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


class SimulatedClock:
    """A clock that stands still until a test moves it; sleeping moves it."""

    def __init__(self, start: float = 1_000_000.0, boot: str = "boot-1") -> None:
        """`start` is both the monotonic and the wall time in seconds."""
        self.now = start
        self.boot = boot

    def monotonic(self) -> float:
        """Give the simulated seconds."""
        return self.now

    def wall(self) -> float:
        """Give the simulated seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Move the time on at once."""
        self.now += seconds

    def boot_id(self) -> str:
        """Give the simulated boot's name."""
        return self.boot
