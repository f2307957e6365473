"""More than one factor: which methods a user must log in by, and the receipt that says which were shown already."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hmac
from typing import Any

import orjson

from nova_lite import errors
from nova_lite.clock import Clock
from nova_lite.identity.keys import KeyRing
from nova_lite.identity.tokens import METHODS
from nova_lite.model.identity import User

LIFETIME_S = 300.0
PREFIX = "nlr1"  # not a token's: neither passes for the other
LONGEST = 2048


class MoreFactorsNeeded(errors.Unauthorized):
    """Additional authentications steps required."""

    code = "more_factors_needed"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Receipt:
    """That a user has shown some of the methods it must. `password_set_at` names the password it had: no other is meant."""

    user_id: str
    methods: tuple[str, ...]
    issued_at: float
    expires_at: float
    password_set_at: float | None


def rules_of(user: User) -> list[list[str]]:
    """Give the user's rules: one of them must be met in whole. Empty when nothing is asked.

    Methods that we do not have are left out, as the original does: nobody is locked out by them.
    """
    if user.options.get("multi_factor_auth_enabled") is False:
        return []
    asked = user.options.get("multi_factor_auth_rules") or []
    lists = [rule for rule in asked if isinstance(rule, list)] if isinstance(asked, list) else []
    known = [[method for method in dict.fromkeys(rule) if method in METHODS] for rule in lists]
    return [rule for rule in known if rule]


def are_enough(user: User, methods: tuple[str, ...]) -> bool:
    """Whether one of the user's rules is met."""
    rules = rules_of(user)
    return not rules or any(set(rule) <= set(methods) for rule in rules)


def missing_from(user: User, methods: tuple[str, ...]) -> list[list[str]]:
    """List the rules that the shown methods are a part of; all, when they are of none."""
    rules = rules_of(user)
    return [rule for rule in rules if set(methods) & set(rule)] or rules


class Receipts:
    """Makes and checks receipts, signed with the tokens' keys."""

    def __init__(self, keys: KeyRing, clock: Clock) -> None:
        """Keeps nothing."""
        self._keys = keys
        self._clock = clock

    def issue(self, user: User, methods: tuple[str, ...]) -> tuple[str, Receipt]:
        """Make a receipt that is good for five minutes."""
        now = self._clock.wall()
        receipt = Receipt(
            user_id=user.id,
            methods=methods,
            issued_at=round(now, 6),
            expires_at=round(now + LIFETIME_S, 6),
            password_set_at=user.password_created_at,
        )
        key = self._keys.signing(now)
        payload = base64.urlsafe_b64encode(orjson.dumps(dataclasses.astuple(receipt))).decode("ascii").rstrip("=")
        signed = f"{PREFIX}.{key.id}.{payload}"
        return f"{signed}.{hmac.new(key.secret, signed.encode(), 'sha256').hexdigest()}", receipt

    def read(self, text: str) -> Receipt:
        """Read a receipt. Raises: Unauthorized when it is not ours, or over."""
        signed, _, mac = text.rpartition(".")
        parts = signed.split(".")
        secret = self._keys.secret(parts[1]) if len(parts) == 3 and parts[0] == PREFIX else None
        if len(text) > LONGEST or not text.isascii() or secret is None:
            raise errors.Unauthorized
        if not hmac.compare_digest(hmac.new(secret, signed.encode(), "sha256").hexdigest(), mac):
            raise errors.Unauthorized
        receipt = _unpack(parts[2])
        if receipt.expires_at <= self._clock.wall():
            raise errors.Unauthorized
        return receipt


def _unpack(payload: str) -> Receipt:
    try:
        fields: Any = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return Receipt(
            user_id=fields[0],
            methods=tuple(fields[1]),
            issued_at=fields[2],
            expires_at=fields[3],
            password_set_at=fields[4],
        )
    except (binascii.Error, ValueError, LookupError, TypeError) as error:  # signed by us, so of another release
        raise errors.Unauthorized from error
