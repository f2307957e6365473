"""What can be done to a server: power, its console, its lock."""

from __future__ import annotations

from typing import Any

from nova_lite import errors
from nova_lite.api.admission import Kind
from nova_lite.api.compute.lookup import server_of, target_of
from nova_lite.api.route import Answer, Request
from nova_lite.db.engine import Tx
from nova_lite.model.server import Server
from nova_lite.rpc.compute import GetConsoleOutput
from nova_lite.servers import records, rules
from nova_lite.workflows import power

OVERRIDE = "os_compute_api:os-lock-server:unlock:unlock_override"


def _unlocked_server(request: Request) -> Server:
    with request.parts.database.read() as tx:
        server = server_of(request, tx)
    rules.require_unlocked(server, request.context)
    return server


def start(request: Request) -> Answer:
    """Accept a start."""
    power.accept_start(request.parts.desk, request.context, _unlocked_server(request).id)
    return Answer(status=202)


def stop(request: Request) -> Answer:
    """Accept a stop."""
    power.accept_stop(request.parts.desk, request.context, _unlocked_server(request).id)
    return Answer(status=202)


def reboot(request: Request) -> Answer:
    """Accept a reboot, soft or hard."""
    hard = request.body["reboot"]["type"].upper() == "HARD"
    power.accept_reboot(request.parts.desk, request.context, _unlocked_server(request).id, hard=hard)
    return Answer(status=202)


def console_output(request: Request) -> Answer:
    """Ask the host for the newest lines of a server's console."""
    with request.parts.database.read() as tx:
        server = server_of(request, tx)
    rules.require(server, "console_output")
    if server.host is None:
        raise errors.Conflict(f"Instance {server.id} is not ready")
    if request.parts.compute is None:
        raise errors.Unavailable("No message broker: the host cannot be asked at the moment.")
    length = request.body["os-getConsoleOutput"].get("length")
    lines = None if length in (None, -1, "-1") else int(length)
    if lines is not None and lines < 0:
        raise errors.BadRequest("length must be -1 or more.")
    with request.parts.admission.slot(Kind.HOST):
        output = request.parts.compute.get_console_output(server.host, GetConsoleOutput(server_id=server.id, lines=lines))
    return Answer(body={"output": output if lines is None else _last(output, lines)})


def _last(output: str, lines: int) -> str:
    """Give the last lines; what stands behind the last line break is one of them, though it be empty."""
    return "\n".join(output.split("\n")[-lines:]) if lines else ""


def lock(request: Request) -> Answer:
    """Keep the server's users from changing it."""
    content: Any = request.body["lock"]
    reason = content.get("locked_reason") if isinstance(content, dict) else None

    def work(tx: Tx) -> None:
        server = server_of(request, tx)
        by = "owner" if server.project_id == request.context.project_id else "admin"
        records.update(tx, server.id, locked=True, locked_reason=reason, locked_by=by)

    request.parts.database.transact(work)
    return Answer(status=202)


def unlock(request: Request) -> Answer:
    """Let the server's users change it again."""

    def work(tx: Tx) -> None:
        server = server_of(request, tx)
        if server.locked_by == "admin":
            request.enforce(OVERRIDE, target_of(server))
        records.update(tx, server.id, locked=False, locked_reason=None, locked_by=None)

    request.parts.database.transact(work)
    return Answer(status=202)
