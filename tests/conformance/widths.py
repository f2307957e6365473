"""What SQLite keeps and other databases would not: texts too long for their columns, numbers that are too large or no integers."""

from __future__ import annotations

import sqlite3

import sqlalchemy as sa

from nova_lite.db.schema import metadata

TEXT_BYTES = 65_535  # MariaDB's TEXT
PARTS = 400  # of a compound query: SQLite takes 500


def _too_wide(column: sa.Column) -> str | None:
    """Give the condition of a value that does not fit; None where all do."""
    name, kind = f'"{column.name}"', column.type
    if isinstance(kind, sa.Text):
        is_long = kind.dialect_impl(sa.create_mock_engine("mysql://", print).dialect).__class__.__name__ == "MEDIUMTEXT"
        return None if is_long else f"length(CAST({name} AS BLOB)) > {TEXT_BYTES}"
    if isinstance(kind, sa.String) and kind.length:
        return f"length({name}) > {kind.length}"
    if isinstance(kind, sa.BigInteger):
        return f"typeof({name}) NOT IN ('integer', 'null')"
    if isinstance(kind, sa.Integer):
        return f"typeof({name}) NOT IN ('integer', 'null') OR abs({name}) > {2**31 - 1}"
    return None


def _queries() -> list[str]:
    columns = [column for table in metadata().sorted_tables for column in table.columns]
    looked_at = [(column, condition) for column in columns if (condition := _too_wide(column))]
    return [f"SELECT '{column}' FROM \"{column.table.name}\" WHERE {condition}" for column, condition in looked_at]


QUERIES = _queries()


def too_wide(connection: sqlite3.Connection) -> list[str]:
    """List the columns that hold what another database would refuse."""
    pieces = [QUERIES[start : start + PARTS] for start in range(0, len(QUERIES), PARTS)]
    return [row[0] for piece in pieces for row in connection.execute(" UNION ALL ".join(piece))]
