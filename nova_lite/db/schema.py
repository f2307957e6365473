"""The schema as a whole: every table, gathered; made at once in tests, by migrations elsewhere."""

from __future__ import annotations

import sqlalchemy as sa

from nova_lite.db.engine import Database, Tx
from nova_lite.db.tables import (
    delegation,
    identity,
    images,
    inventory,
    journal,
    limits,
    metadefs,
    moves,
    networks,
    outbox,
    placement,
    quota,
    servers,
)
from nova_lite.db.types import METADATA

MODULES = (
    delegation,
    identity,
    images,
    inventory,
    journal,
    limits,
    metadefs,
    moves,
    networks,
    outbox,
    placement,
    quota,
    servers,
)


def metadata() -> sa.MetaData:
    """Give the description of all tables."""
    return METADATA


def take_all_characters(tx: Tx) -> None:
    """Have the tables that are made next take every character and compare texts exactly, as the other engines do.

    MariaDB's default may be latin1, and its usual collations hold `a` and `A` for the same name. May be repeated.
    """
    if tx.database.dialect == "mysql":
        tx.execute(sa.text("ALTER DATABASE CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"))


def create_all(database: Database) -> None:
    """Make every table that is missing. For tests; a real database is made by its migrations."""

    def work(tx: Tx) -> None:
        take_all_characters(tx)
        METADATA.create_all(tx.connection)

    database.transact(work)
