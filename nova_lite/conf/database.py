"""Options of the database."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from oslo_config import cfg

GROUP = "database"
OPTIONS = (
    cfg.StrOpt(
        "url",
        secret=True,
        help="An SQLAlchemy URL: postgresql+psycopg://user:password@host/name or mysql+pymysql://user:password@host/name "
        "for more than one control node. By default the SQLite file nova-lite.db in state_dir.",
    ),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DatabaseOptions:
    """Where the database is. A secret: the URL may have a password."""

    url: str

    def __repr__(self) -> str:
        """Show no password."""
        return "DatabaseOptions()"


def read(conf: cfg.ConfigOpts) -> DatabaseOptions:
    """Take the values out of a parsed configuration."""
    default = f"sqlite:///{Path(conf.state_dir) / 'nova-lite.db'}"
    return DatabaseOptions(url=conf[GROUP].url or default)
