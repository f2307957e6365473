"""All that the database keeps of an operation, read at one moment: what its story is told from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from nova_lite import errors
from nova_lite.db import journal as queries
from nova_lite.db import story as stored
from nova_lite.db.engine import Tx
from nova_lite.durable.facts import Fact
from nova_lite.durable.progress import State
from nova_lite.model import wire


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """An operation's row (with `wake_in_s`, `left_s`, `leased_s`), its state, and what happened, each oldest first."""

    row: Mapping[str, Any]
    state: State
    events: tuple[Mapping[str, Any], ...]
    signals: tuple[Mapping[str, Any], ...]

    @property
    def facts(self) -> tuple[Fact, ...]:
        """Give the facts that the engine kept for the story."""
        return self.state.facts


def find(tx: Tx, word: str) -> tuple[Record, ...]:
    """Give the operations of a request or a server, or the one of that id, oldest first. Raises: NotFound."""
    rows = stored.find_operations(tx, word)
    if not rows:
        raise errors.NotFound(f"No request, server or operation {word} is known. Ended operations are kept for 30 days.")
    return tuple(_record(tx, dict(row)) for row in rows)


def _record(tx: Tx, row: dict[str, Any]) -> Record:
    events = (*queries.select_events(tx, row["id"]), *row["events"])
    return Record(
        row=row,
        state=wire.from_plain(State, row["state"]),
        events=tuple(dict(event) for event in events),
        signals=tuple(dict(signal) for signal in queries.select_signals(tx, [row["id"]])),
    )
