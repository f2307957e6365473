"""How long this machine is up, in the words that `uptime` says it in."""

from __future__ import annotations

import os
import time

from nova_lite import errors

MINUTES_AN_HOUR, MINUTES_A_DAY = 60, 24 * 60


def sentence() -> str:
    """Give ` 08:32:11 up 93 days, 18:25,  0 users,  load average: 0.20, 0.12, 0.14`. Raises: Unavailable."""
    try:
        seconds = time.clock_gettime(time.CLOCK_BOOTTIME)
        loads = os.getloadavg()
    except OSError as error:
        raise errors.Unavailable("The host does not know how long it is up.") from error
    average = ", ".join(f"{load:.2f}" for load in loads)
    return f" {time.strftime('%H:%M:%S', time.gmtime())} up {since(seconds)},  0 users,  load average: {average}"


def since(seconds: float) -> str:
    """Give `3 days,  4:05`, `4:05` or `5 min`."""
    days, minutes = divmod(int(seconds) // 60, MINUTES_A_DAY)
    hours, left = divmod(minutes, MINUTES_AN_HOUR)
    clock = f"{hours:2}:{left:02}" if hours else f"{left} min"
    if not days:
        return clock.strip()
    return f"{days} day{'s' if days > 1 else ''}, {clock}"
