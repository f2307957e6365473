"""Finding the server a request is about: another project's is not there, but for those who see all projects."""

from __future__ import annotations

import uuid

from nova_lite import errors
from nova_lite.api.route import Request
from nova_lite.db.engine import Tx
from nova_lite.model.server import Server
from nova_lite.servers import records, rules


def project_seen(request: Request) -> str | None:
    """Give the only project whose resources the caller may know of; None for all."""
    context = request.context
    return None if context.sees_all_projects else context.project_id or ""


def server_of(request: Request, tx: Tx, *, include_deleted: bool = False, rule: str | None = None) -> Server:
    """Read the server of the path's `server_id` and check the route's rule (or another) on it.

    Raises: NotFound; Forbidden.
    """
    server_id = request.params["server_id"]
    if not is_uuid(server_id):
        raise records.no_server(server_id)
    server = records.get(tx, server_id, project_id=project_seen(request), include_deleted=include_deleted)
    request.enforce(rule, target_of(server))
    return server


def target_of(server: Server) -> dict[str, str]:
    """Give what policy rules know of a server."""
    return {"project_id": server.project_id, "user_id": server.user_id}


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID as we write them: with dashes."""
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def ready_server(request: Request, tx: Tx, action: str) -> Server:
    """Read the server that an action is asked of. Raises: NotFound; Forbidden; Conflict when it cannot be done to it now."""
    server = server_of(request, tx)
    rules.require_unlocked(server, request.context)
    rules.require(server, action)
    if server.live is not None:
        raise errors.Conflict(f"Cannot '{action}' server {server.id} while its operation '{server.live.workflow}' runs.")
    return server
