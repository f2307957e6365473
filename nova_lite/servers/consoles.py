"""Tokens of consoles: each opens one console of one server, once, within some minutes. Only their hashes are kept."""

from __future__ import annotations

import dataclasses
import secrets

from nova_lite import errors
from nova_lite.db import console_tokens as queries
from nova_lite.db.engine import Tx
from nova_lite.model import wire
from nova_lite.model.console import ConsoleGrant, Holder, hash_of
from nova_lite.model.ids import ServerId
from nova_lite.model.server import Server
from nova_lite.servers import records


@dataclasses.dataclass(frozen=True, kw_only=True)
class Issued:
    """A grant that was not yet used, and where the host said that it lets the proxy in."""

    grant: ConsoleGrant
    address: str
    port: int


def new_token() -> str:
    """Make a token: 32 random bytes, as text that needs no quoting in a URL."""
    return secrets.token_urlsafe(32)


def issue(tx: Tx, token: str, issued: Issued, valid_s: float) -> None:
    """Keep a token's hash and what it is good for."""
    row = {
        "token_hash": hash_of(token),
        "server_id": issued.grant.server_id,
        "type": issued.grant.type,
        "address": issued.address,
        "port": issued.port,
        "holder": wire.to_plain(issued.grant.holder),
    }
    queries.insert(tx, row, valid_s)


def find(tx: Tx, token_hash: str) -> Issued | None:
    """Give what a token is good for, without using it; None when it is unknown, used or over."""
    row = queries.find(tx, token_hash)
    if row is None:
        return None
    grant = ConsoleGrant(server_id=ServerId(row["server_id"]), type=row["type"], holder=wire.from_plain(Holder, row["holder"]))
    return Issued(grant=grant, address=row["address"], port=row["port"])


def redeem(tx: Tx, token_hash: str) -> ConsoleGrant:
    """Use a token up. Raises: Unauthorized when it is unknown, used or over: which of them is not told."""
    issued = find(tx, token_hash)
    if issued is None or not queries.take(tx, token_hash):
        raise errors.Unauthorized("The console's token is not valid, or not any more; ask for a new one.")
    return issued.grant


def server_with_console(tx: Tx, grant: ConsoleGrant) -> Server | None:
    """Give the server of a grant; None when it was deleted, or is on no host."""
    try:
        server = records.get(tx, grant.server_id)
    except errors.NotFound:
        return None
    return server if server.host is not None else None


def purge(tx: Tx) -> int:
    """Forget tokens that are over; give their number."""
    return queries.purge(tx)
