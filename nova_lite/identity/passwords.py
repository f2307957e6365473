"""Password hashes: argon2id, a few at a time; the same time is spent on a user who does not exist.

Hashes of other algorithms came from a Keystone. They are checked too, and replaced when their users log in.
"""

from __future__ import annotations

import os
import threading

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from nova_lite import errors
from nova_lite.identity import imported_hashes

# OWASP Password Storage Cheat Sheet, argon2id: 19 MiB, 2 passes, 1 lane.
MEMORY_KIB, PASSES, LANES, LENGTH, SALT = 19 * 1024, 2, 1, 32, 16
AT_ONCE = 4
PATIENCE_S = 10.0
# A hash of nothing anyone knows, so that an unknown user costs as much as a wrong password.
NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

_OWN = f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}$"

_slots = threading.BoundedSemaphore(AT_ONCE)


def make_hash(password: str) -> str:
    """Hash a password with a salt of its own. Raises: Unavailable when too many logins run."""
    with _Slot():
        kdf = Argon2id(salt=os.urandom(SALT), length=LENGTH, iterations=PASSES, lanes=LANES, memory_cost=MEMORY_KIB)
        return kdf.derive_phc_encoded(password.encode())


def matches(password: str, password_hash: str | None) -> bool:
    """Compare a password with a hash; None takes as long and is never right. Raises: Unavailable as `make_hash`."""
    with _Slot():
        if password_hash is not None and not password_hash.startswith("$argon2"):
            return imported_hashes.matches(password, password_hash)
        try:
            Argon2id.verify_phc_encoded(password.encode(), password_hash or NOBODY)
        except (InvalidKey, ValueError):
            return False
    return password_hash is not None


def needs_rehash(password_hash: str) -> bool:
    """Tell whether a hash is of another algorithm than ours, or of another cost."""
    return not password_hash.startswith(_OWN)


class _Slot:
    """One of the few hashes that run at the same time: each needs 19 MiB and a core."""

    def __enter__(self) -> None:
        if not _slots.acquire(timeout=PATIENCE_S):
            raise errors.Unavailable("Too many logins run at the moment; try again in a few seconds.")

    def __exit__(self, *_: object) -> None:
        _slots.release()
