"""Brings a database to a version. Loaded by the command line and tests only: alembic is slow to import."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import autogenerate, command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from nova_lite.db import schema, version
from nova_lite.db.engine import Database, Tx

FOLDER = Path(__file__).parent / "migrations"
LOCK_NAME = "nova-lite-migrate"
LOCK_NUMBER = 0x6E6F7661
LOCK_WAIT_S = 60


def configuration() -> Config:
    """Give alembic's configuration: where the migrations are; the connection is handed over in its attributes."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def upgrade(database: Database, target: str = "heads") -> tuple[str | None, str | None]:
    """Bring the database up to `target`, whole or not at all; give the versions before and after. May be repeated."""
    return _move(database, command.upgrade, target)


def downgrade(database: Database, target: str = "base") -> tuple[str | None, str | None]:
    """Take migrations back; data in what they added is lost. Give the versions before and after."""
    return _move(database, command.downgrade, target)


def _move(database: Database, action: Any, target: str) -> tuple[str | None, str | None]:
    def work(tx: Tx) -> tuple[str | None, str | None]:
        with _alone(tx):
            before = version.current(tx)
            schema.take_all_characters(tx)
            config = configuration()
            config.attributes["connection"] = tx.connection
            action(config, target)
            return before, version.current(tx)

    with database.patient() as patient:
        return patient.transact(work)


@contextmanager
def _alone(tx: Tx) -> Iterator[None]:
    """Keep a second migration out until this transaction ends; on SQLite the transaction itself does."""
    dialect = tx.database.dialect
    if dialect == "postgresql":
        tx.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK_NUMBER)))
    if dialect == "mysql":
        tx.execute(sa.select(sa.func.get_lock(LOCK_NAME, LOCK_WAIT_S)))
    yield
    if dialect == "mysql":
        tx.execute(sa.text("COMMIT"))  # before another may look; tables were committed one by one in any case
        tx.execute(sa.select(sa.func.release_lock(LOCK_NAME)))


def known_versions() -> list[str]:
    """List the versions that this release knows, oldest first."""
    script = ScriptDirectory.from_config(configuration())
    return [revision.revision for revision in reversed(list(script.walk_revisions()))]


def differences(database: Database) -> list[str]:
    """Say in what the database differs from what the code describes; nothing for a sound one."""
    with database.read() as tx:
        context = MigrationContext.configure(
            tx.connection,
            opts={"compare_type": _same_kind, "version_table": version.TABLE, "include_object": _is_ours},
        )
        found = autogenerate.compare_metadata(context, schema.metadata())
    return [_sentence(change) for change in found]


def _same_kind(_context: Any, _inspected: Any, _column: Any, found: Any, wanted: Any) -> bool | None:
    """Leave decorated types out: engines give back the plain text type below them."""
    return False if isinstance(wanted, sa.TypeDecorator) else None


def _is_ours(_item: Any, name: str | None, kind: str, _reflected: bool, _other: Any) -> bool:
    return not (kind == "table" and name == version.TABLE)


def _sentence(change: Any) -> str:
    """Make words of one of alembic's differences: a tuple, or a list of tuples about one column."""
    first = change[0] if isinstance(change, list) else change
    names = [str(getattr(part, "name", part)) for part in first[1:] if isinstance(part, str) or getattr(part, "name", None)]
    return f"{first[0].replace('_', ' ')}: {' '.join(names)}"
