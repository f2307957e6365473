"""Which sites' pages may open consoles: a browser says in Origin whose page asks, and no page can change that."""

from __future__ import annotations

import dataclasses
import urllib.parse
from collections.abc import Sequence

from nova_lite.conf.console import ConsoleOptions


@dataclasses.dataclass(frozen=True)
class Origins:
    """The rule: our own pages, and those of the sites that the configuration names."""

    names: frozenset[str]
    only_https: bool

    def allow(self, origins: Sequence[str], host: str | None) -> bool:
        """Tell whether a request may open a console. One without Origin is no browser's.

        origins: its Origin headers; host: its Host header
        """
        if not origins:
            return True
        if len(origins) > 1:
            return False
        scheme, name = _parts(origins[0])
        if name is None or (self.only_https and scheme != "https"):
            return False
        own = _parts(f"//{host}")[1] if host else None
        return name in self.names or name == own


def origins_of(options: ConsoleOptions) -> Origins:
    """Take the rule out of the configuration."""
    scheme, own = _parts(options.url)
    named = {name.strip().lower() for name in options.allowed_origins}
    return Origins(names=frozenset(named | ({own} if own else set())), only_https=scheme == "https")


def _parts(url: str) -> tuple[str, str | None]:
    try:
        parsed = urllib.parse.urlsplit(url)
        return parsed.scheme, parsed.hostname
    except ValueError:
        return "", None
