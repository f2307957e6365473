"""Idempotency keys: a request that is sent again gets the first one's answer, and is done once."""

from __future__ import annotations

from typing import Any

from nova_lite import errors
from nova_lite.db import journal as queries
from nova_lite.db.engine import Overtaken, Tx


def recall(tx: Tx, project_id: str, key: str, fingerprint: str) -> Any | None:
    """Give the answer of the request that used this key before, or None for a new key.

    Raises: Conflict when that was another request (another fingerprint of the body).
    """
    row = queries.find_key(tx, project_id, key)
    if row is None:
        return None
    if row["fingerprint"] != fingerprint:
        raise errors.Conflict("The idempotency key was used for another request.")
    return row["answer"]


def remember(tx: Tx, project_id: str, key: str, fingerprint: str, answer: Any) -> None:
    """Keep the answer, in the transaction that does the work.

    Raises: Overtaken when the same request committed meanwhile: the transaction is run again and recalls its answer.
    """
    row = {"project_id": project_id, "key": key, "fingerprint": fingerprint, "answer": answer}
    if not queries.insert_key(tx, row | {"created_at": tx.database.clock.wall()}):
        raise Overtaken


def purge(tx: Tx, before: float) -> int:
    """Forget keys older than that wall time; give their number."""
    return queries.purge_keys(tx, before)
