"""Schemas that this release has not: the next version, generated; and the one before, from its migration."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.script import ScriptDirectory

from nova_lite.db import migrate, version
from nova_lite.db.engine import Database, Tx
from nova_lite.db.schema import metadata


def next_version() -> str:
    """Name the step after this release's."""
    era, _, step = version.HEAD.partition(".")
    return f"{era}.{int(step) + 1}"


def expand(database: Database) -> None:
    """Do what a later release's migration may do in this era: columns on every table, a table, indexes; and say so."""
    migrate.upgrade(database)
    database.transact(_expand)


def _expand(tx: Tx) -> None:
    quote = tx.connection.dialect.identifier_preparer.quote
    for table in metadata().sorted_tables:
        name = quote(table.name)
        tx.execute(sa.text(f"ALTER TABLE {name} ADD COLUMN later_note VARCHAR(64)"))
        tx.execute(sa.text(f"ALTER TABLE {name} ADD COLUMN later_count INTEGER DEFAULT 7 NOT NULL"))
        tx.execute(sa.text(f"CREATE INDEX ix_later_{table.name} ON {name} (later_count)"))
    tx.execute(sa.text("CREATE TABLE later_things (id INTEGER PRIMARY KEY, host VARCHAR(255) REFERENCES hosts (name))"))
    tx.execute(sa.text(f"UPDATE {version.TABLE} SET version_num = :number"), {"number": next_version()})


def first_tables() -> sa.MetaData:
    """Give the tables as the first release's statements name them."""
    first: sa.MetaData = ScriptDirectory.from_config(migrate.configuration()).get_revision("1.0").module.TABLES
    return first
