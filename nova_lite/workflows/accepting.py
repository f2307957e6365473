"""Accepting an action on a server: what every `accept` does once it knows its workflow and parameters."""

from __future__ import annotations

import dataclasses
from typing import Any

from nova_lite import errors
from nova_lite.context import Context
from nova_lite.db.engine import Tx
from nova_lite.durable import journal
from nova_lite.durable.workflow import Workflow
from nova_lite.model.ids import HostName, OperationId, ServerId
from nova_lite.model.server import Server
from nova_lite.servers import records, rules
from nova_lite.servers.notices import Notice
from nova_lite.workflows.desk import SERVER, Desk


@dataclasses.dataclass(frozen=True, kw_only=True)
class Beginning:
    """An operation to be begun on a server. `event` is the notification's name before `.start`; None: none is sent.

    `closes`: it moves, replaces or ends the guest, so nothing is attached meanwhile (ENGINE.md, Children). `id`: known before.
    """

    server: Server
    workflow: Workflow[Any]
    params: object
    event: str | None = None
    closes: bool = False
    id: OperationId | None = None


def ready(tx: Tx, server_id: ServerId, action: str) -> Server:
    """Read a server whose settled state allows an action. Raises: NotFound, Conflict."""
    server = records.get(tx, server_id)
    rules.require(server, action)
    return server


def host_of(server: Server) -> HostName:
    """Give the host that a server is on. Raises: Conflict when it is on none."""
    if server.host is None:
        raise errors.Conflict("The server is on no host.")
    return server.host


def begin(desk: Desk, tx: Tx, context: Context, beginning: Beginning) -> OperationId:
    """Write the operation, tell who listens, ring after the commit. Raises: Conflict while another operation runs."""
    server, workflow = beginning.server, beginning.workflow
    operation = journal.accept(
        tx,
        journal.NewOperation(
            workflow=workflow,
            subject_kind=SERVER,
            subject_id=server.id,
            params=beginning.params,
            project_id=server.project_id,
            user_id=context.user_id,
            request_id=context.request_id,
            closes=beginning.closes,
            id=beginning.id,
        ),
    )
    if beginning.event is not None:
        notice = Notice(
            user_id=context.user_id,
            project_id=server.project_id,
            request_id=context.request_id,
            task=workflow.steps[0].shown_as,
        )
        records.announce(tx, server.id, f"{beginning.event}.start", notice)
    desk.ring_after(tx, operation)
    return operation
