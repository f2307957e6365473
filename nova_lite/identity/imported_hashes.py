"""Password hashes that a Keystone made: bcrypt, scrypt and PBKDF2, checked until their users have logged in once.

The forms are passlib's, which Keystone writes. Costs are bounded: a hash from outside must not hold a core for minutes.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import hmac
import re
from collections.abc import Callable

import bcrypt

_BASE64 = "[A-Za-z0-9+/.]"
_BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}", re.ASCII)
_SCRYPT = re.compile(rf"\$scrypt\$ln=(\d+),r=(\d+),p=(\d+)\$({_BASE64}+)\$({_BASE64}+)", re.ASCII)
_PBKDF2 = re.compile(rf"\$pbkdf2-sha512\$(\d+)\$({_BASE64}+)\$({_BASE64}+)", re.ASCII)
BCRYPT_BYTES = 72  # of a password count; Keystone cuts there too
MOST_BCRYPT_COST = 14
MOST_SCRYPT_BYTES = 256 * 2**20
MOST_PBKDF2_ROUNDS = 2_000_000

Check = Callable[[bytes], bool]


def is_known(password_hash: str) -> bool:
    """Tell whether a hash is of one of these algorithms, whole, and at a cost that we pay."""
    return _check_of(password_hash) is not None


def matches(password: str, password_hash: str) -> bool:
    """Compare a password with such a hash; any other hash is never right."""
    check = _check_of(password_hash)
    return check is not None and check(password.encode())


def _check_of(password_hash: str) -> Check | None:
    for pattern, make in ((_BCRYPT, _bcrypt), (_SCRYPT, _scrypt), (_PBKDF2, _pbkdf2)):
        match = pattern.fullmatch(password_hash)
        if match is not None:
            return make(match)
    return None


def _bcrypt(match: re.Match[str]) -> Check | None:
    if not 4 <= int(match[1]) <= MOST_BCRYPT_COST:
        return None
    return lambda password: b"\0" not in password and bcrypt.checkpw(password[:BCRYPT_BYTES], match[0].encode("ascii"))


def _scrypt(match: re.Match[str]) -> Check | None:
    log_n, r, p = int(match[1][:3]), int(match[2][:9]), int(match[3][:9])
    salt, digest = _decoded(match[4]), _decoded(match[5])
    if not (1 <= log_n <= 22 and r and p) or salt is None or not digest or 128 * r * (2**log_n + p) * p > MOST_SCRYPT_BYTES:
        return None
    derive = functools.partial(hashlib.scrypt, salt=salt, n=2**log_n, r=r, p=p, maxmem=2 * MOST_SCRYPT_BYTES, dklen=len(digest))
    return lambda password: hmac.compare_digest(derive(password), digest)


def _pbkdf2(match: re.Match[str]) -> Check | None:
    rounds, salt, digest = int(match[1][:9]), _decoded(match[2]), _decoded(match[3])
    if not 1 <= rounds <= MOST_PBKDF2_ROUNDS or salt is None or not digest:
        return None
    return lambda password: hmac.compare_digest(
        hashlib.pbkdf2_hmac("sha512", password, salt, rounds, dklen=len(digest)), digest
    )


def _decoded(text: str) -> bytes | None:
    """Read base64 without padding, with `.` for `+` where passlib writes that."""
    try:
        return base64.b64decode(text.replace(".", "+") + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return None
