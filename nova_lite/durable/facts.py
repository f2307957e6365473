"""Facts for the story of an operation, kept in its row's `state`: what neither its events nor its signals tell.

They are written with what is recorded anyway, so they cost no statement. Each is a plain mapping with `fact` (its kind) and
`at` (wall clock, only shown). Nothing reads them but `nova-lite story` and `nova-lite explain`: a release that knows no
facts drops them, no harm done.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Any

from nova_lite.model.ids import HostName

COMMAND, LEASE, AWAY, UNDONE, DECISION = "command", "lease", "away", "undone", "decision"
KEPT_AT_MOST = 60  # of an operation that goes on for ever, the first half and the newest half
_HOST = socket.gethostname()[:80]

Fact = Mapping[str, Any]
Facts = tuple[Fact, ...]


def process() -> str:
    """Name this process: its machine and its number, which differs after a fork."""
    return f"{_HOST}:{os.getpid()}"


def with_command(facts: Facts, place: Fact, host: HostName, name: str, wall: float) -> Facts:
    """Note a command to a host. The same command of the same attempt, sent again, is counted with the first.

    `place`: the step, direction, attempt and turn.
    """
    for number in range(len(facts) - 1, -1, -1):
        known = facts[number]
        if known["fact"] == COMMAND and known["turn"] == place["turn"] and known["host"] == host and known["name"] == name:
            again = {**known, "last": wall, "count": known["count"] + 1}
            return (*facts[:number], again, *facts[number + 1 :])
    return _kept((*facts, {"fact": COMMAND, "at": wall, "last": wall, "count": 1, "host": host, "name": name, **place}))


def with_lease(facts: Facts, lease: Fact, wall: float) -> Facts:
    """Note who took the operation up, unless it is who had it last and gave it back.

    `lease`: the `owner` and `number`; `lapsed`, the owner that never gave it back; `late_s`, how long nobody served it.
    """
    told = next((known for known in reversed(facts) if known["fact"] == LEASE), None)
    if told is not None and told["owner"] == lease["owner"] and "lapsed" not in lease and "late_s" not in lease:
        return facts
    return _kept((*facts, {"fact": LEASE, "at": wall, **lease}))


def with_outage(facts: Facts, step: str, what: str, since: float, wall: float) -> Facts:
    """Note that something did not answer from `since` on, and does again."""
    return _kept((*facts, {"fact": AWAY, "at": since, "until": wall, "what": what, "step": step}))


def with_undone(facts: Facts, step: str, result: Mapping[str, Any], wall: float) -> Facts:
    """Note a step's result that is about to be forgotten, because it is undone or done anew."""
    return _kept((*facts, {"fact": UNDONE, "at": wall, "step": step, **result}))


def with_decision(facts: Facts, place: Fact, why: Mapping[str, Any], wall: float) -> Facts:
    """Note why a step decided what it did. Only the last decision of an attempt counts: a step may ask again and again.

    `place`: the step and turn.
    """
    others = tuple(known for known in facts if known["fact"] != DECISION or known["turn"] != place["turn"])
    return _kept((*others, {"fact": DECISION, "at": wall, "why": _without_blanks(why), **place}))


def _without_blanks(plain: Any) -> Any:
    """Leave out what is not there: most fields of most refusals."""
    if isinstance(plain, Mapping):
        return {
            name: _without_blanks(item) for name, item in plain.items() if item not in (None, "", [], {}) and item is not False
        }
    return [_without_blanks(item) for item in plain] if isinstance(plain, list) else plain


def _kept(facts: Facts) -> Facts:
    half = KEPT_AT_MOST // 2
    return facts if len(facts) <= KEPT_AT_MOST else (*facts[:half], *facts[-half:])
