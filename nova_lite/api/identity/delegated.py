"""What tokens of delegation (trusts, application credentials, OAuth, EC2 key pairs) must not do, as in Keystone 30."""

from __future__ import annotations

from nova_lite import errors
from nova_lite.api.route import Request
from nova_lite.db import identity as db
from nova_lite.identity.tokens import Claims


def claims_of(request: Request) -> Claims:
    """Give what the caller's token says."""
    return request.parts.identity.tokens.read(request.headers.get("X-AUTH-TOKEN", ""))


def refuse_delegated(request: Request, what: str, *, but_trusts: bool = False) -> Claims:
    """Let only whole tokens through (with `but_trusts` those of a trust too): what they make would outlive them.

    Raises: Forbidden.
    """
    claims = claims_of(request)
    by_trust = claims.trust is not None
    by_method = claims.is_delegated and not by_trust
    if by_method or (by_trust and not but_trusts):
        raise errors.Forbidden(f"A token that was given by delegation cannot manage {what}.")
    return claims


def refuse_for_credentials(request: Request, *, change: bool = False) -> None:
    """Keep tokens of trusts, OAuth and EC2 key pairs away from application credentials and access rules.

    A token of an application credential may read them; it may make and delete them when its credential is `unrestricted`.
    Raises: Forbidden.
    """
    claims = claims_of(request)
    if claims.application_credential_id is None:
        if claims.is_delegated:
            raise errors.Forbidden("A token that was given by delegation cannot manage application credentials.")
        return
    if not change:
        return
    with request.parts.database.read() as tx:
        used = db.CREDENTIALS.find(tx, claims.application_credential_id)
    if used is None or not used.unrestricted:
        raise errors.Forbidden("A restricted application credential cannot manage application credentials.")
