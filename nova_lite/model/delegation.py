"""What lets somebody act for another, or by something else than a password."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoredCredential:
    """Something a user keeps with us: an EC2 key pair, a secret of TOTP, a certificate. `blob` is sealed.

    last_step: of TOTP, the last time step of which a passcode was used
    """

    id: str
    user_id: str
    type: str
    blob: str = dataclasses.field(repr=False)
    project_id: str | None = None
    last_step: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class DomainConfig:
    """The configuration of a domain, whose `id` it has. `content` is sealed."""

    id: str
    content: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trust:
    """Leave of one user (trustor) for another (trustee) to use some of its roles in a project. `roles` are ids.

    impersonation: tokens speak of the trustor
    remaining_uses: None for any number
    redelegation_count: how many trusts may still be made of this one, one of the other
    """

    id: str
    trustor_user_id: str
    trustee_user_id: str
    impersonation: bool
    project_id: str | None = None
    roles: list[str] = dataclasses.field(default_factory=list)
    expires_at: float | None = None
    remaining_uses: int | None = None
    redelegation_count: int = 0
    redelegated_trust_id: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Consumer:
    """A program that may ask for access by OAuth 1. `secret` is sealed."""

    id: str
    secret: str = dataclasses.field(repr=False)
    description: str | None = None
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RequestToken:
    """What a consumer asked for, until a user authorizes it and it is exchanged. `secret` is sealed; `roles` are ids."""

    id: str
    consumer_id: str
    project_id: str
    secret: str = dataclasses.field(repr=False)
    expires_at: float
    verifier: str | None = dataclasses.field(default=None, repr=False)
    authorizing_user_id: str | None = None
    roles: list[str] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class AccessToken:
    """What a consumer logs in with for a user. `secret` is sealed; `roles` are ids."""

    id: str
    consumer_id: str
    project_id: str
    secret: str = dataclasses.field(repr=False)
    authorizing_user_id: str
    roles: list[str]
    expires_at: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Nonce:
    """That a signed request was seen; `id` is the hash of what makes it one of a kind."""

    id: str
    expires_at: float
