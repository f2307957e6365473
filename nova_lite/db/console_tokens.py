"""Queries on the tokens of consoles. The database's own clock says which are over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from nova_lite.db import clock
from nova_lite.db.engine import Database, Tx
from nova_lite.db.tables.identity import revocations
from nova_lite.db.tables.servers import console_tokens as tokens


def insert(tx: Tx, row: Mapping[str, Any], valid_s: float) -> None:
    """Add one that is good for so long."""
    ends = {"ends_at": clock.now_sql(tx.database) + valid_s, "boot_id": clock.boot_id(tx.database)}
    tx.execute(tokens.insert().values(**row, **ends))


def find(tx: Tx, token_hash: str) -> Mapping[str, Any] | None:
    """Read one that is still good."""
    row = tx.execute(sa.select(tokens).where(tokens.c.token_hash == token_hash, _good(tx.database))).mappings().one_or_none()
    return None if row is None else dict(row)


def take(tx: Tx, token_hash: str) -> bool:
    """Remove one that is still good; False when another was first, or it is over."""
    return tx.execute(tokens.delete().where(tokens.c.token_hash == token_hash, _good(tx.database))).rowcount == 1


def purge(tx: Tx) -> int:
    """Remove those that are over; give their number."""
    return int(tx.execute(tokens.delete().where(sa.not_(_good(tx.database)))).rowcount)


def last_revocation(tx: Tx) -> int:
    """Give the id of the newest revocation of tokens, 0 for none."""
    return int(tx.execute(sa.select(sa.func.max(revocations.c.id))).scalar_one() or 0)


def revoked(tx: Tx, pairs: Mapping[str, set[str]], after: int) -> bool:
    """Whether a revocation newer than that is of one of these kinds and values."""
    fits = [sa.and_(revocations.c.kind == kind, revocations.c.value.in_(sorted(values))) for kind, values in pairs.items()]
    query = sa.select(revocations.c.id).where(revocations.c.id > after, sa.or_(*fits)).limit(1)
    return tx.execute(query).first() is not None


def _good(database: Database) -> sa.ColumnElement[bool]:
    boot = clock.boot_id(database)
    same_boot = tokens.c.boot_id.is_(None) if boot is None else tokens.c.boot_id == boot
    return sa.and_(tokens.c.ends_at > clock.now_sql(database), same_boot)
