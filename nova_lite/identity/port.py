"""What the rest of the control side needs of an identity service; the embedded one and Keystone's client fulfil it."""

from __future__ import annotations

import dataclasses
from typing import Protocol

from nova_lite.context import Context


@dataclasses.dataclass(frozen=True, kw_only=True)
class Call:
    """What a token is shown for: access rules of application credentials speak of it.

    service: the type in the catalog; path: below the service's unversioned address (`/v2.1/servers`)
    service_token: of a service that asks on the user's behalf (`X-Service-Token`)
    """

    service: str
    method: str
    path: str
    service_token: str | None = dataclasses.field(default=None, repr=False)


class TokenChecker(Protocol):
    """The check of a token at the door."""

    def check(self, token: str, request_id: str, call: Call | None = None) -> Context:
        """Give who holds the token; without a `call` tokens with access rules are refused where those are kept.

        No I/O beyond what is read beside the requests, and an outside Keystone where the answer is not remembered.

        Raises: Unauthorized when the token is malformed, forged, expired, revoked or not good for this call;
            Unavailable when it cannot be found out.
        """
