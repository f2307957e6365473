"""What tokens of delegation (trusts, application credentials, OAuth, EC2 key pairs) must not do."""

from __future__ import annotations

from nova_lite import errors
from nova_lite.api.route import Request
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
