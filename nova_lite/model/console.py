"""Consoles by network: their types, where one is reached, and whose it is."""

from __future__ import annotations

import dataclasses
import enum
import hashlib

from nova_lite.model.ids import ServerId


class ConsoleKind(enum.StrEnum):
    """What a guest's console speaks."""

    VNC = "vnc"
    SERIAL = "serial"


OFFERED = {"novnc": ConsoleKind.VNC, "serial": ConsoleKind.SERIAL}
"""The types of the Compute API that are given out, and what each speaks."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConsolePlace:
    """Where a host lets the proxy in: by TLS, with the certificate of that SHA-256, after the secret, which is good once.

    Without a secret it is only told that the console is there.
    """

    address: str
    port: int
    fingerprint: str
    secret: str | None = dataclasses.field(default=None, repr=False)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Holder:
    """Who asked for a console, and after which revocation: a newer one that fits ends the right to it.

    project_id, domain_id: of the token that it was asked with; user_domain_id: the user's own
    """

    user_id: str
    project_id: str | None = None
    domain_id: str | None = None
    user_domain_id: str | None = None
    audit_id: str | None = None
    revoked_before: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConsoleGrant:
    """The right to one console of one server, as a proxy keeps it while the console is open."""

    server_id: ServerId
    type: str
    holder: Holder

    @property
    def kind(self) -> ConsoleKind:
        """What the console speaks."""
        return OFFERED[self.type]


def hash_of(token: str) -> str:
    """Give what is kept, and sent between daemons, in the place of a console's token."""
    return hashlib.sha256(token.encode("utf-8", errors="replace")).hexdigest()
