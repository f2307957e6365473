"""What the rest of the control side needs of an identity service; the embedded one and Keystone's client fulfil it."""

from __future__ import annotations

from typing import Protocol

from nova_lite.context import Context


class TokenChecker(Protocol):
    """The check of a token at the door."""

    def check(self, token: str, request_id: str) -> Context:
        """Give who holds the token. No I/O beyond what is read beside the requests.

        Raises: Unauthorized when the token is malformed, forged, expired or revoked.
        """
