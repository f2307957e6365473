"""The installation that a command works on: its options, folders and database."""

from __future__ import annotations

import os
import socket
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from nova_lite import errors
from nova_lite.conf import api, daemon, identity, load

if TYPE_CHECKING:
    from nova_lite.db.engine import Database


class Installation:
    """One cloud's control side on this machine. What a command does not use is not loaded."""

    def __init__(self, files: tuple[Path, ...]) -> None:
        """`files` are the configuration; none means the default one. Raises: ConfigError."""
        missing = [str(path) for path in files if not path.is_file()]
        if missing:
            raise errors.ConfigError(f"There is no configuration file {', '.join(missing)}.")
        self.files = files
        self.conf = load.load([], files or None)
        self.daemon = daemon.read(self.conf)
        self.api = api.read(self.conf)
        self.identity = identity.read(self.conf)
        self.keys_dir = self.daemon.state_dir / "keys"
        self.host = socket.gethostname()

    @cached_property
    def database(self) -> Database:
        """Give the database; nothing connects before its first use."""
        from nova_lite.conf import database
        from nova_lite.db.engine import Database

        return Database(database.read(self.conf).url)

    @property
    def public_url(self) -> str:
        """Give the address of the APIs as clients reach them."""
        return self.api.public_url or f"http://{self.api.listen}:{self.api.port}"

    @property
    def auth_url(self) -> str:
        """Give where users log in."""
        if self.identity.keystone is not None:
            return self.identity.keystone.auth_url
        return f"{self.public_url}/identity/v3"


def need_root(what: str) -> None:
    """Refuse to go on without the rights. Raises: Forbidden."""
    if os.geteuid() != 0:
        raise errors.Forbidden(f"Only root can {what}.")
