"""Times as the Compute API writes and reads them; ours are seconds since 1970."""

from __future__ import annotations

import datetime
import math
import time

from nova_lite import errors


def iso(seconds: float) -> str:
    """Write `2026-01-31T12:00:00Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def micro(seconds: float | None) -> str | None:
    """Write `2026-01-31T12:00:00.000000`, without a zone, as the older parts of the API do."""
    if seconds is None:
        return None
    whole = int(seconds)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{int((seconds - whole) * 1_000_000):06d}"


def parse(text: str, what: str) -> float:
    """Read an ISO 8601 time; without a zone it is UTC. Raises: BadRequest naming `what`."""
    try:
        moment = datetime.datetime.fromisoformat(text.strip().replace(" ", "+", 1) if "T" in text else text.strip())
    except ValueError as error:
        raise errors.BadRequest(f"Invalid time for {what}: ISO 8601 is wanted.") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return moment.timestamp()


def bound(text: str, what: str) -> float:
    """Read `changes-since` or `changes-before`; the latter as the last moment of its second. Raises: BadRequest.

    Clients are shown seconds, and ask with them for all that changed until then, as the original's database keeps no more.
    """
    moment = parse(text, what)
    return math.floor(moment) + 0.999999 if what == "changes-before" else moment
