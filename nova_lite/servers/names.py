"""Names that are made: host names out of server names, reservations, passwords."""

from __future__ import annotations

import re
import secrets
import string

MAX_LABEL = 63
_ALPHABET = string.ascii_lowercase + string.digits
_PASSWORD_ALPHABET = string.ascii_letters + string.digits
PASSWORD_LENGTH = 12


def hostname_of(name: str, server_id: str) -> str:
    """Make a host name of a server's name: letters, digits, hyphens and dots, at most 63; else of its id."""
    plain = re.sub(r"[ _]", "-", name).encode("ascii", "ignore").decode().lower()
    plain = re.sub(r"[^a-z0-9.-]", "", plain).replace(".", "-")[:MAX_LABEL].strip(".-")
    return plain or f"server-{server_id}"[:MAX_LABEL].strip("-")


def reservation() -> str:
    """Name one create request."""
    return "r-" + "".join(secrets.choice(_ALPHABET) for _ in range(8))


def password() -> str:
    """Make an administrator's password of a guest: with a small letter, a capital and a digit."""
    while True:
        made = "".join(secrets.choice(_PASSWORD_ALPHABET) for _ in range(PASSWORD_LENGTH))
        if any(c.islower() for c in made) and any(c.isupper() for c in made) and any(c.isdigit() for c in made):
            return made
