"""Secrets that we must be able to read again (EC2 keys, seeds of TOTP, OAuth secrets), sealed before they reach the database.

AES-256-GCM, bound to the row's id, so that a sealed value in another row does not open. The keys are a file of their own beside
the tokens' keys: a copy of the database alone gives no secret away.
"""

from __future__ import annotations

import base64
import binascii
import os
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from nova_lite import errors
from nova_lite.clock import Clock
from nova_lite.db import delegation as db
from nova_lite.db.engine import Database, Tx
from nova_lite.identity import keys
from nova_lite.identity.keys import KeyRing

FILE = "credentials.json"
FORM = "s1"
NONCE = 12


def vault_file(state_dir: Path) -> Path:
    """Give where the keys are kept."""
    return state_dir / "keys" / FILE


class Vault:
    """Seals and opens."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """The file must exist; it is read at the first use, and again when it changed."""
        self._path = path
        self._ring = KeyRing(path)
        self._clock = clock

    def seal(self, secret: str, row_id: str) -> str:
        """Give what may be written into the row."""
        self._ring.refresh()  # what is sealed with a key that a rotation has dropped since would be lost
        key = self._ring.signing(self._clock.wall())
        nonce = os.urandom(NONCE)
        sealed = AESGCM(key.secret).encrypt(nonce, secret.encode(), row_id.encode())
        return f"{FORM}.{key.id}.{base64.b64encode(nonce + sealed).decode('ascii')}"

    def open(self, sealed: str, row_id: str) -> str:
        """Give what was sealed. Raises: Unavailable when its key is not there, or it was sealed for another row."""
        form, _, rest = sealed.partition(".")
        key_id, _, data = rest.partition(".")
        secret = self._ring.secret(key_id) if form == FORM else None
        if secret is None:
            raise errors.Unavailable(f"A credential was sealed with a key that is not in {self._path}.")
        try:
            raw = base64.b64decode(data, validate=True)
            return AESGCM(secret).decrypt(raw[:NONCE], raw[NONCE:], row_id.encode()).decode()
        except (binascii.Error, InvalidTag, ValueError) as error:
            raise errors.Unavailable("A sealed credential cannot be opened: it was changed in the database.") from error

    def rotate(self, database: Database) -> int:
        """Make a new key and seal everything with it; give how many secrets that were. May be repeated.

        What an earlier rotation left unfinished is finished first, so that no key is dropped that is still needed. The key
        before is kept until the next rotation, for what other processes seal meanwhile.
        """
        self._ring.refresh()
        self._reseal(database)
        keys.add_key(self._path, self._clock.wall())
        self._ring.refresh()
        return self._reseal(database)

    def _reseal(self, database: Database) -> int:
        done = 0
        for table, column in db.SEALED:
            with database.read() as tx:
                found = db.sealed_ids(tx, table)
            for row_id in found:
                done += database.transact(lambda tx, each=row_id, t=table, c=column: self._reseal_row(tx, t, c, each))
        return done

    def _reseal_row(self, tx: Tx, table: Any, column: str, row_id: str) -> int:
        before = db.sealed_value(tx, table, column, row_id)
        if before is None:
            return 0
        db.replace_sealed(tx, table, column, row_id, before, self.seal(self.open(before, row_id), row_id))
        return 1
