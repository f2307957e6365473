"""Idempotency keys: a request that is sent again gets the first one's answer, and is done once.

`Database.jointly(work, first=reserve, last=keep)` does the work, and keeps its answer, in one transaction. What is kept
are hashes and a sealed text: `api/idempotency.py` makes them.
"""

from __future__ import annotations

import dataclasses

from nova_lite import errors
from nova_lite.db import journal as queries
from nova_lite.db.engine import Tx

KEPT_S = 24 * 3600.0


class AlreadyDone(Exception):
    """The same request has been committed meanwhile: its answer can be recalled. None of errors.py: no handler may take it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ticket:
    """What stands for a request with a key: whose it is, its key, and what else it must be to be the same. All hashes."""

    scope: str
    key: str
    fingerprint: str


def recall(tx: Tx, ticket: Ticket) -> str | None:
    """Give the answer of the request that used this key before, or None for a new key.

    Raises: Unprocessable when that was another request.
    """
    row = queries.find_answer(tx, ticket.scope, ticket.key)
    if row is None:
        return None
    if row["fingerprint"] != ticket.fingerprint:
        raise errors.Unprocessable("The Idempotency-Key was used for another request: a new request needs a new key.")
    return str(row["answer"])


def reserve(tx: Tx, ticket: Ticket) -> None:
    """Write the key, to begin the transaction that does the work. The same request waits here for the one before it.

    Raises: AlreadyDone when that was committed.
    """
    row = dataclasses.asdict(ticket) | {"status": 0, "answer": "", "created_at": tx.database.clock.wall()}
    if not queries.insert_answer(tx, row):
        raise AlreadyDone


def keep(tx: Tx, ticket: Ticket, status: int, answer: str) -> None:
    """Write the answer, in the transaction that does the work."""
    queries.complete_answer(tx, ticket.scope, ticket.key, status, answer)


def purge(tx: Tx, now: float) -> int:
    """Forget answers that were kept long enough at that wall time; give their number."""
    return queries.purge_answers(tx, now - KEPT_S)
