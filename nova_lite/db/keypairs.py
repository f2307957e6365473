"""Queries on key pairs; a pair belongs to a user, not to a project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from nova_lite import errors
from nova_lite.db.engine import Tx
from nova_lite.db.tables.servers import keypairs

Row = sa.RowMapping


def find_keypair(tx: Tx, user_id: str, name: str) -> Row | None:
    """Read one key pair."""
    query = sa.select(keypairs).where(keypairs.c.user_id == user_id, keypairs.c.name == name)
    return tx.execute(query).mappings().one_or_none()


def list_keypairs(tx: Tx, user_id: str, *, after: str | None = None, limit: int | None = None) -> Sequence[Row]:
    """Read a page of a user's key pairs by name."""
    query = sa.select(keypairs).where(keypairs.c.user_id == user_id).order_by(keypairs.c.name)
    if after is not None:
        query = query.where(keypairs.c.name > after)
    return tx.execute(query.limit(limit) if limit is not None else query).mappings().all()


def count_keypairs(tx: Tx, user_id: str) -> int:
    """Count a user's key pairs."""
    return tx.execute(sa.select(sa.func.count()).where(keypairs.c.user_id == user_id)).scalar_one()


def insert_keypair(tx: Tx, values: Mapping[str, Any]) -> None:
    """Add a key pair. Raises: Conflict when the user has one of that name."""
    try:
        tx.execute(keypairs.insert(), dict(values))
    except exc.IntegrityError as error:
        raise errors.Conflict(f"Key pair '{values['name']}' already exists.") from error


def delete_keypair(tx: Tx, user_id: str, name: str) -> bool:
    """Remove a key pair; False when there is none."""
    return tx.execute(keypairs.delete().where(keypairs.c.user_id == user_id, keypairs.c.name == name)).rowcount == 1
