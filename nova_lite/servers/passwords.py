"""Passwords that guests make for themselves: encrypted by their user's key, so nobody here can read them."""

from __future__ import annotations

from nova_lite import errors
from nova_lite.db import server_passwords as queries
from nova_lite.db.engine import Tx
from nova_lite.model.guest import PASSWORD_CHARS


def read(tx: Tx, server_id: str) -> str | None:
    """Give the encrypted password, None where the guest wrote none."""
    return queries.find(tx, server_id)


def write(tx: Tx, server_id: str, password: str) -> bool:
    """Keep what a guest wrote; False when it wrote one before, which stays.

    Raises: BadRequest for one that is too long.
    """
    if len(password) > PASSWORD_CHARS:
        raise errors.BadRequest("The password is too long.")
    return queries.insert(tx, server_id, password)


def clear(tx: Tx, server_id: str) -> None:
    """Forget it: the guest may write another. May be repeated."""
    queries.delete(tx, server_id)
