"""Consoles by network: this cloud has no console proxy, so none of their kinds is available."""

from __future__ import annotations

from nova_lite import errors
from nova_lite.api.compute.lookup import server_of
from nova_lite.api.route import Answer, Request
from nova_lite.servers import rules


def create_console(request: Request) -> Answer:
    """Refuse a console of the kind that is asked."""
    return _refuse(request, request.body["remote_console"]["type"])


def old_console(request: Request) -> Answer:
    """Refuse a console that is asked for by an action, as it was before 2.6."""
    return _refuse(request, request.body[request.route.action or ""]["type"])


def _refuse(request: Request, kind: str) -> Answer:
    with request.parts.database.read() as tx:
        server = server_of(request, tx)
    rules.require(server, "remote_console")
    if server.host is None:
        raise errors.Conflict(f"Instance {server.id} is not ready")
    raise errors.BadRequest(f"Unavailable console type {kind}.")


def show_token(request: Request) -> Answer:
    """Refuse a console's token: none was given out."""
    raise errors.NotFound(f"Token not found: {request.params['token_id'][:64]}")
