"""What a daemon does when the database is away at its start: it waits for a minute and says so in one line.

Waiting costs nothing, where a start each two seconds costs the machine that the database needs to come back. A minute is
what a restart takes, and half of what systemd gives a start; a longer outage ends the process, so that the keeper sees it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from nova_lite import errors
from nova_lite.runtime.sd_notify import notify

LOG = logging.getLogger(__name__)
WAIT_S = 60.0
PAUSE_S = 0.5
WORDS = 300  # of what the driver says


def start_when_there(start: Callable[[], None], stopping: threading.Event) -> bool:
    """Call `start` until what it needs is there; False when `stopping` was set before.

    Raises: Unavailable after a minute, and whatever else `start` raises. One that raises Unavailable has begun nothing.
    """
    began = time.monotonic()
    told = False
    while not stopping.is_set():
        try:
            start()
        except errors.Unavailable as error:
            if time.monotonic() - began > WAIT_S:
                raise errors.Unavailable(f"{error.message} {WAIT_S:.0f} seconds were waited for it.") from error
            if not told:
                notify(f"STATUS={error.message}")
                LOG.warning("The start waits: %s", error.message, extra={"action": "start", "why": _why(error)})
                told = True
            stopping.wait(PAUSE_S)
        else:
            if told:
                notify("STATUS=")
                LOG.info("The start goes on after %.0f s.", time.monotonic() - began, extra={"action": "start"})
            return True
    return False


def _why(error: errors.Unavailable) -> str:
    """Give what the driver said: the address is wrong, the password is, or nobody listens."""
    cause = error.__cause__
    return " ".join(str(getattr(cause, "orig", None) or cause or "").split())[:WORDS]
