"""Tokens: signed, self-contained, checked without I/O.

`nl1.<key id>.<payload>.<MAC>`: the payload is a JSON array in base64url, the MAC is HMAC-SHA256 over all before it. Roles
are inside; taking a role away revokes the tokens that hold it (decision 0006).
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hmac
import logging
import secrets
import threading
from typing import Any

import orjson

from nova_lite import errors
from nova_lite.clock import Clock
from nova_lite.context import Context
from nova_lite.identity import access_rules, revocations
from nova_lite.identity.keys import KeyRing
from nova_lite.identity.port import Call
from nova_lite.identity.revocations import Revocations
from nova_lite.model.identity import Target

LOG = logging.getLogger(__name__)
PREFIX = "nl1"
LONGEST = 8192
METHODS = ("password", "token", "application_credential", "totp", "ec2credential", "oauth1")  # numbers in tokens: only add
DELEGATED = frozenset({"application_credential", "ec2credential", "oauth1"})
LONGEST_CHAIN = 16
REFRESH_S = 0.8  # what is revoked has ended everywhere within a second, the look itself included


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claims:
    """What a token says. Times are epoch seconds; `roles` are names, implied ones included.

    scope: None for an unscoped token, else what kind of thing `scope_id` is
    audit_ids: the token's own, then those of the tokens that it was made from, the first of all last
    access_rules: (service type, method, path pattern) of the only requests it is good for; None: of all
    revoked_before: the newest revocation when the login began, which only newer ones end; None in tokens of release 1.0
    trust: the trust it was made by: its id, trustor and trustee, and the trustors of those that it is made of
    access_token_id: of OAuth 1; key_pair_id: the stored credential that an EC2 request was signed with
    """

    user_id: str
    user_name: str
    user_domain_id: str
    methods: tuple[str, ...]
    issued_at: float
    expires_at: float
    audit_ids: tuple[str, ...]
    scope: Target | None = None
    scope_id: str | None = None
    scope_name: str | None = None
    scope_domain_id: str | None = None
    roles: tuple[str, ...] = ()
    application_credential_id: str | None = None
    revoked_before: int | None = None
    trust: tuple[str, ...] | None = None
    access_token_id: str | None = None
    access_rules: access_rules.Rules | None = None
    key_pair_id: str | None = None

    @property
    def is_delegated(self) -> bool:
        """Whether it stands for less than its user: it must not make what outlives it."""
        return self.trust is not None or not DELEGATED.isdisjoint(self.methods)


def chain_of(earlier: Claims | None) -> tuple[str, ...]:
    """Give the audit ids of a new token, made from an earlier one or not. Of very long chains the middle is left out."""
    above = earlier.audit_ids if earlier else ()
    if len(above) > LONGEST_CHAIN:
        above = (*above[: LONGEST_CHAIN - 1], above[-1])
    return (new_audit_id(), *above)


def new_audit_id() -> str:
    """Make the name of a token that logs may show: 16 random bytes."""
    return secrets.token_urlsafe(16)


class Tokens:
    """Makes and checks tokens."""

    def __init__(self, keys: KeyRing, revoked: Revocations, clock: Clock) -> None:
        """Nothing is read before the first use or `start`."""
        self._keys = self.keys = keys
        self._revoked = revoked
        self._clock = clock
        self._stopping = threading.Event()

    def issue(self, claims: Claims) -> str:
        """Sign a token."""
        key = self._keys.signing(self._clock.wall())
        signed = f"{PREFIX}.{key.id}.{_encode(orjson.dumps(_pack(claims)))}"
        return f"{signed}.{_encode(_mac(key.secret, signed))}"

    def check(self, token: str, request_id: str, call: Call | None = None) -> Context:
        """Give who holds the token.

        Raises: Unauthorized when it is malformed, forged, foreign, expired, revoked or not good for this call.
        """
        claims = self.read(token)
        if claims.access_rules is not None and not access_rules.allow(claims.access_rules, call):
            raise errors.Unauthorized("The access rules of the application credential do not allow this request.")
        return context_of(claims, request_id)

    def read(self, token: str, *, expired_s: float = 0.0) -> Claims:
        """Give what a valid token says, or one that expired at most so long ago. Raises: Unauthorized as `check`."""
        claims = _unpack(self._verified(token))
        if claims.expires_at + expired_s <= self._clock.wall() or self._is_revoked(claims):
            raise errors.Unauthorized
        return claims

    def _verified(self, token: str) -> bytes:
        """Give the payload when the signature is ours."""
        if len(token) > LONGEST or not token.isascii():
            raise errors.Unauthorized
        signed, _, mac = token.rpartition(".")
        parts = signed.split(".")
        if len(parts) != 3 or parts[0] != PREFIX:
            raise errors.Unauthorized
        secret = self._keys.secret(parts[1])
        if secret is None or not hmac.compare_digest(_encode(_mac(secret, signed)), mac):
            raise errors.Unauthorized
        return _decode(parts[2])

    def _is_revoked(self, claims: Claims) -> bool:
        revoked = self._revoked
        if not revoked.loaded:
            revoked.refresh()
        if not revoked.any:
            return False
        at = revocations.Made(claims.issued_at, claims.revoked_before)
        return (
            any(revoked.covers(revocations.AUDIT, audit_id, at) for audit_id in claims.audit_ids)
            or revoked.covers(revocations.USER, claims.user_id, at)
            or revoked.covers(revocations.DOMAIN, claims.user_domain_id, at)
            or revoked.covers(revocations.CREDENTIAL, claims.application_credential_id, at)
            or (claims.scope is not None and self._scope_is_revoked(claims))
            or revoked.covers(revocations.ACCESS_TOKEN, claims.access_token_id, at)
            or revoked.covers(revocations.KEY_PAIR, claims.key_pair_id, at)
            or (claims.trust is not None and self._trust_is_revoked(claims.trust, claims.scope_id or "", at))
        )

    def _scope_is_revoked(self, claims: Claims) -> bool:
        revoked, at = self._revoked, revocations.Made(claims.issued_at, claims.revoked_before)
        return (
            revoked.covers(revocations.PROJECT, claims.scope_id, at)
            or revoked.covers(revocations.DOMAIN, claims.scope_id, at)
            or revoked.covers(revocations.DOMAIN, claims.scope_domain_id, at)
            or revoked.covers(revocations.GRANT, revocations.grant_value(claims.user_id, claims.scope_id or ""), at)
        )

    def _trust_is_revoked(self, trust: tuple[str, ...], scope_id: str, at: revocations.Made) -> bool:
        """Look at everybody on whose leave a trust stands, whichever of them the token speaks of."""
        trust_id, *users = trust
        revoked = self._revoked
        return revoked.covers(revocations.TRUST, trust_id, at) or any(
            revoked.covers(revocations.USER, user_id, at)
            or revoked.covers(revocations.GRANT, revocations.grant_value(user_id, scope_id), at)
            for user_id in users
        )

    def refresh(self) -> None:
        """Read new keys and revocations now. Raises: Unavailable, ConfigError."""
        self._keys.refresh()
        self._revoked.refresh()

    def catch_up(self) -> None:
        """Read what was just revoked, so that this process knows at once; others do within a second. Never raises.

        Inside of `Database.jointly` it waits for the commit: what is taken back must not be remembered here.
        """
        self._revoked.database.after_commit(self._catch_up)

    def _catch_up(self) -> None:
        try:
            self.refresh()
        except errors.NovaLiteError as error:
            LOG.warning("Keys and revocations could not be read: %s", error.message, extra={"action": "revocations"})

    def start(self) -> None:
        """Read keys and revocations more than once a second beside the requests; after a process has forked."""
        threading.Thread(target=self._keep_fresh, name="token-revocations", daemon=True).start()

    def stop(self) -> None:
        """End that."""
        self._stopping.set()

    def _keep_fresh(self) -> None:
        while not self._stopping.is_set():
            self._catch_up()
            self._stopping.wait(REFRESH_S)


def context_of(claims: Claims, request_id: str) -> Context:
    """Give the caller that a token speaks of."""
    in_project = claims.scope == Target.PROJECT
    return Context(
        request_id=request_id,
        user_id=claims.user_id,
        user_name=claims.user_name,
        user_domain_id=claims.user_domain_id,
        project_id=claims.scope_id if in_project else None,
        project_name=claims.scope_name if in_project else None,
        project_domain_id=claims.scope_domain_id if in_project else None,
        domain_id=claims.scope_id if claims.scope == Target.DOMAIN else None,
        system_scope="all" if claims.scope == Target.SYSTEM else None,
        roles=frozenset(claims.roles),
        token_expires_at=claims.expires_at,
        audit_id=claims.audit_ids[0],
    )


_SCOPES = (None, Target.PROJECT, Target.DOMAIN, Target.SYSTEM)


def _pack(claims: Claims) -> list[Any]:
    """Write claims as an array; new fields go to the end."""
    return [
        claims.user_id,
        claims.user_name,
        claims.user_domain_id,
        [METHODS.index(method) for method in claims.methods],
        claims.issued_at,
        claims.expires_at,
        claims.audit_ids,
        _SCOPES.index(claims.scope),
        claims.scope_id,
        claims.scope_name,
        claims.scope_domain_id,
        claims.roles,
        claims.application_credential_id,
        claims.revoked_before,
        claims.trust,
        claims.access_token_id,
        claims.access_rules,
        claims.key_pair_id,
    ]


def _unpack(payload: bytes) -> Claims:
    try:
        fields = orjson.loads(payload)
        return Claims(
            user_id=fields[0],
            user_name=fields[1],
            user_domain_id=fields[2],
            methods=tuple(METHODS[number] for number in fields[3]),
            issued_at=fields[4],
            expires_at=fields[5],
            audit_ids=tuple(fields[6]),
            scope=_SCOPES[fields[7]],
            scope_id=fields[8],
            scope_name=fields[9],
            scope_domain_id=fields[10],
            roles=tuple(fields[11]),
            application_credential_id=fields[12],
            revoked_before=fields[13] if len(fields) > 13 else None,
            trust=tuple(fields[14]) if len(fields) > 14 and fields[14] else None,
            access_token_id=fields[15] if len(fields) > 15 else None,
            access_rules=_rules(fields[16]) if len(fields) > 16 else None,
            key_pair_id=fields[17] if len(fields) > 17 else None,
        )
    except (ValueError, LookupError, TypeError) as error:  # signed by us, so of another release
        raise errors.Unauthorized from error


def _rules(found: list[list[str]] | None) -> access_rules.Rules | None:
    return None if found is None else tuple((service, method, path) for service, method, path in found)


def _mac(secret: bytes, signed: str) -> bytes:
    return hmac.digest(secret, signed.encode("ascii"), "sha256")


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise errors.Unauthorized from error
