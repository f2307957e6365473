"""Queries on the encrypted passwords that guests wrote."""

from __future__ import annotations

import sqlalchemy as sa

from nova_lite.db.engine import Tx
from nova_lite.db.tables.servers import server_passwords as passwords


def find(tx: Tx, server_id: str) -> str | None:
    """Read one."""
    query = sa.select(passwords.c.password).where(passwords.c.server_id == server_id)
    return tx.execute(query).scalar_one_or_none()


def insert(tx: Tx, server_id: str, password: str) -> bool:
    """Add one; False when there is one already."""
    if find(tx, server_id) is not None:
        return False
    tx.execute(passwords.insert(), {"server_id": server_id, "password": password})
    return True


def delete(tx: Tx, server_id: str) -> None:
    """Remove one, if there is one."""
    tx.execute(passwords.delete().where(passwords.c.server_id == server_id))
