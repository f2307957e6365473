"""Key pairs: made here or brought along; the private half is given out once and never kept."""

from __future__ import annotations

import dataclasses
import secrets

from nova_lite import errors
from nova_lite.db import keypairs as queries
from nova_lite.db.engine import Tx

ID_BITS = 47  # ids are numbers that JavaScript reads without loss


@dataclasses.dataclass(frozen=True, kw_only=True)
class Keypair:
    """The public half of a key pair of a user."""

    id: int
    user_id: str
    name: str
    type: str  # ssh or x509
    fingerprint: str
    public_key: str
    created_at: float


def new_id() -> int:
    """Make an id."""
    return secrets.randbits(ID_BITS) + 1


def add(tx: Tx, keypair: Keypair, *, limit: int) -> None:
    """Add a key pair, while the user has fewer than `limit` (-1: any number).

    Raises: Conflict when the user has one of that name; OverQuota.
    """
    if queries.find_keypair(tx, keypair.user_id, keypair.name) is not None:
        raise errors.Conflict(f"Key pair '{keypair.name}' already exists.")
    if limit >= 0 and queries.count_keypairs(tx, keypair.user_id) >= limit:
        raise errors.OverQuota(f"Quota exceeded, too many key pairs: {limit} are allowed.")
    queries.insert_keypair(tx, vars(keypair))


def get(tx: Tx, user_id: str, name: str) -> Keypair:
    """Read one. Raises: NotFound."""
    row = queries.find_keypair(tx, user_id, name)
    if row is None:
        raise errors.NotFound(f"Keypair {name} not found for user {user_id}.")
    return Keypair(**row)


def list_page(tx: Tx, user_id: str, *, marker: str | None = None, limit: int | None = None) -> list[Keypair]:
    """Read a page by name. Raises: NotFound when the marker is no key pair."""
    if marker is not None and queries.find_keypair(tx, user_id, marker) is None:
        raise errors.NotFound(f"The marker {marker} is no key pair.")
    return [Keypair(**row) for row in queries.list_keypairs(tx, user_id, after=marker, limit=limit)]


def remove(tx: Tx, user_id: str, name: str) -> None:
    """Remove one; servers keep their copy of the key. Raises: NotFound."""
    if not queries.delete_keypair(tx, user_id, name):
        raise errors.NotFound(f"Keypair {name} not found for user {user_id}.")
