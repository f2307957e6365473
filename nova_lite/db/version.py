"""Which version a database has, and whether this release can serve it; without loading the migrations.

A version is `<era>.<step>`. A step only adds (expand), so a release serves any later step of its era; a new era takes
something away (contract), so an older release must not touch it (HOUSE section 3, "a DB column").
"""

from __future__ import annotations

import sqlalchemy as sa

from nova_lite import errors
from nova_lite.db.engine import Database, Tx

HEAD = "1.4"  # what this release needs; equals the newest file in migrations/versions, which a test checks
TABLE = "schema_version"


def current(tx: Tx) -> str | None:
    """Give the version that the database has, or None for an empty one."""
    if not sa.inspect(tx.connection).has_table(TABLE):
        return None
    return tx.execute(sa.select(sa.column("version_num")).select_from(sa.table(TABLE))).scalar_one_or_none()


def require(database: Database) -> None:
    """Refuse a database that this release cannot serve.

    Raises: ConfigError saying what to do; Unavailable when the database does not answer.
    """
    with database.read() as tx:
        refusal = refusal_of(current(tx))
    if refusal:
        raise errors.ConfigError(refusal)


def refusal_of(found: str | None) -> str | None:
    """Say why a database of that version cannot be served, or None when it can."""
    if found is None:
        return "The database is empty. Run: nova-lite db upgrade"
    era, step = _parts(found)
    own_era, own_step = _parts(HEAD)
    if (era, step) < (own_era, own_step):
        return f"The database has version {found}, this release needs {HEAD}. Run: nova-lite db upgrade"
    if era > own_era:
        return (
            f"The database has version {found}, made by a newer release that removed what this one needs "
            f"(it serves {own_era}.x). Install that release here too."
        )
    return None


def _parts(version: str) -> tuple[int, int]:
    era, _, step = version.partition(".")
    return int(era), int(step)
