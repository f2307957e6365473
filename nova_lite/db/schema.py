"""The schema as a whole: every table, gathered; made at once in tests, by migrations elsewhere."""

from __future__ import annotations

import sqlalchemy as sa

from nova_lite.db.engine import Database
from nova_lite.db.tables import identity, images, inventory, journal, networks, quota, servers
from nova_lite.db.types import METADATA

MODULES = (identity, images, inventory, journal, networks, quota, servers)


def metadata() -> sa.MetaData:
    """Give the description of all tables."""
    return METADATA


def create_all(database: Database) -> None:
    """Make every table that is missing. For tests; a real database is made by its migrations."""
    database.transact(lambda tx: METADATA.create_all(tx.connection))
