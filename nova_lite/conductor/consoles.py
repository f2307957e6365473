"""Answers the console proxies: which token opens what, and which open consoles must end."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from nova_lite import errors
from nova_lite.db.engine import Database, Tx
from nova_lite.identity import standing
from nova_lite.model import wire
from nova_lite.model.console import ConsoleGrant
from nova_lite.model.server import Server
from nova_lite.rpc.compute import ComputeClient, GetConsole
from nova_lite.rpc.console import RedeemConsole, RedeemedConsole, ReviewConsoles
from nova_lite.rpc.port import Handler
from nova_lite.servers import consoles

LOG = logging.getLogger(__name__)


class ConsoleService:
    """The handlers of the consoles' address (rpc/console.py)."""

    def __init__(self, database: Database, compute: ComputeClient) -> None:
        """Nothing is kept between messages."""
        self._database = database
        self._compute = compute

    def handlers(self) -> dict[str, Handler]:
        """Give the handlers by method name."""
        return {"redeem_console": self.redeem_console, "review_consoles": self.review_consoles}

    def redeem_console(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Use a token up, then have the host let the proxy in. A host that does not answer costs the token.

        Raises: Unauthorized; NotFound for a server that is gone; Conflict for a guest that is off; Unavailable.
        """
        message = wire.from_plain(RedeemConsole, body)
        grant = self._database.transact(lambda tx: consoles.redeem(tx, message.token_hash))
        server = self._entitled(grant)
        if server is None or server.host is None:
            LOG.info("A console is refused: the right to it was lost, or its server is gone.", extra=_about(grant))
            raise errors.Unauthorized("The server is gone, or who asked for its console may not see it any more.")
        wanted = GetConsole(server_id=grant.server_id, kind=grant.kind, lets_in=True)
        place = self._compute.get_console(server.host, wanted)
        LOG.info("A console is opened.", extra=_about(grant))
        answer: Mapping[str, Any] = wire.to_plain(RedeemedConsole(grant=grant, place=place))
        return answer

    def review_consoles(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Tell of each grant whether it holds."""
        message = wire.from_plain(ReviewConsoles, body)
        with self._database.read() as tx:
            return {"hold": [_entitled(tx, grant) is not None for grant in message.grants]}

    def _entitled(self, grant: ConsoleGrant) -> Server | None:
        with self._database.read() as tx:
            return _entitled(tx, grant)


def _entitled(tx: Tx, grant: ConsoleGrant) -> Server | None:
    """Give the server of a grant that holds."""
    if standing.is_lost(tx, grant.holder):
        return None
    return consoles.server_with_console(tx, grant)


def _about(grant: ConsoleGrant) -> dict[str, str]:
    return {"action": "console", "server_id": grant.server_id, "type": grant.type, "user_id": grant.holder.user_id}
