"""A user's token, sealed: work that lasts may need it later, in another process, and the journal is no place for secrets."""

from __future__ import annotations

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken

from nova_lite import errors

PURPOSE = b"the token of an import"


def seal(key: bytes, token: str) -> str:
    """Seal a token with a key that every control node has."""
    return _fernet(key).encrypt(token.encode()).decode()


def unseal(key: bytes, sealed: str) -> str:
    """Open a sealed token. Raises: BadRequest when the key is another one now."""
    try:
        return _fernet(key).decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise errors.BadRequest("The token of this import cannot be read any more: ask for it anew.") from error


def _fernet(key: bytes) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hmac.digest(key, PURPOSE, hashlib.sha256)))
