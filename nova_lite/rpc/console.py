"""The conversation between the console proxies and the conductors: tokens are used up, open consoles are looked at again.

It has a topic of its own, to which hosts cannot send (broker.py). Tokens themselves never travel: only their hashes do.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol

from nova_lite.model import wire
from nova_lite.model.console import ConsoleGrant, ConsolePlace
from nova_lite.rpc.port import Address, Transport

ADDRESS = Address("consoles")
TIMEOUT_S = 8.0  # the conductor asks the host in turn


@dataclasses.dataclass(frozen=True, kw_only=True)
class RedeemConsole:
    """A token, by its hash, is to be used up. Not to be repeated: it is good once."""

    token_hash: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RedeemedConsole:
    """What the token was for, and where the host lets the proxy in."""

    grant: ConsoleGrant
    place: ConsolePlace


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReviewConsoles:
    """The grants of the consoles that are open at a proxy."""

    grants: tuple[ConsoleGrant, ...]


class ConsoleClient:
    """Asks over a transport."""

    def __init__(self, transport: Transport) -> None:
        """Any conductor may answer."""
        self._transport = transport

    def redeem(self, token_hash: str) -> RedeemedConsole:
        """Use a token up.

        Raises: Unauthorized when it is not good, or its holder has lost the right; NotFound when the server or its guest is
        gone; Conflict when the guest does not run; Unavailable when nobody answers.
        """
        message = RedeemConsole(token_hash=token_hash)
        plain = self._transport.call(ADDRESS, "redeem_console", wire.to_plain(message), timeout_s=TIMEOUT_S)
        return wire.from_plain(RedeemedConsole, plain)

    def review(self, grants: tuple[ConsoleGrant, ...]) -> tuple[bool, ...]:
        """Tell of each grant whether it still holds. May be repeated. Raises: Unavailable."""
        message = ReviewConsoles(grants=grants)
        plain = self._transport.call(ADDRESS, "review_consoles", wire.to_plain(message), timeout_s=TIMEOUT_S)
        return tuple(bool(one) for one in plain["hold"])


class ConsoleHandlers(Protocol):
    """What a conductor serves to the console proxies."""

    def redeem_console(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Handle RedeemConsole: the plain form of a RedeemedConsole."""

    def review_consoles(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Handle ReviewConsoles: `{"hold": [bool, ...]}` in their order."""
