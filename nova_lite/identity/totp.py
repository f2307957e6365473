"""Passcodes by time (RFC 6238): six digits, HMAC-SHA-1, a new one each 30 seconds, as every authenticator app makes them."""

from __future__ import annotations

import base64
import binascii
import hmac

from nova_lite.db import delegation as db
from nova_lite.db.engine import Tx
from nova_lite.identity.stored_credentials import TOTP
from nova_lite.identity.vault import Vault

PERIOD_S = 30
DIGITS = 6
EARLIER_STEPS = 1  # a passcode typed as its time ended is still taken


def passcode(secret: bytes, step: int) -> str:
    """Give the passcode of a time step (RFC 4226, section 5.3)."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    start = digest[-1] & 0xF
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFFFFFF
    return str(number % 10**DIGITS).zfill(DIGITS)


def read_secret(text: str) -> bytes | None:
    """Read a secret in base32, with or without its padding; None when it is none."""
    try:
        return base64.b32decode(text + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError):
        return None


def find_step(tx: Tx, vault: Vault, user_id: str, given: str, now: float) -> tuple[str, int] | None:
    """Find which of a user's credentials makes this passcode at about this time, and its time step."""
    newest = int(now // PERIOD_S)
    found = None
    for credential in db.CREDENTIALS.list_by(tx, user_id=user_id, type=TOTP):
        secret = read_secret(vault.open(credential.blob, credential.id))
        for step in range(newest - EARLIER_STEPS, newest + 1) if secret else ():
            if hmac.compare_digest(passcode(secret or b"", step).encode(), given.encode()) and step > credential.last_step:
                found = (credential.id, step)
    return found
