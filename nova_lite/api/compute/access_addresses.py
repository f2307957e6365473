"""The addresses that a server is said to be reached by: kept as text, each in its one short form."""

from __future__ import annotations

import ipaddress


def short(text: str | None) -> str | None:
    """Write an address that the schema has checked in its short form; empty and missing are none."""
    return str(ipaddress.ip_address(text)) if text else None
