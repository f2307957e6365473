"""Column types that mean the same on the three engines."""

from __future__ import annotations

from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import mysql

METADATA = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Json(sa.TypeDecorator[Any]):
    """A JSON value kept as text: never queried inside, quick to read."""

    impl = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:
        """Write compact JSON."""
        return None if value is None else orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        """Read it back."""
        return None if value is None else orjson.loads(value)


def uuid_column(name: str, **options: Any) -> sa.Column[str]:
    """Make a column for a UUID with dashes."""
    return sa.Column(name, sa.String(36), **options)


def epoch(name: str, **options: Any) -> sa.Column[float]:
    """Make a column for seconds since 1970 (wall clock) or since boot (journal times); which, the table says."""
    return sa.Column(name, sa.Double(), **options)


def long_text() -> sa.types.TypeEngine[str]:
    """Give a text type for up to 16 MiB."""
    return sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
