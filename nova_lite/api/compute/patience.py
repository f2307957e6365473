"""Waiting for operations where the original's answer comes after the deed. Bounded; what is in hand goes on in any case."""

from __future__ import annotations

import functools
from collections.abc import Callable

from nova_lite import errors
from nova_lite.api.admission import Kind
from nova_lite.api.compute import tasks
from nova_lite.api.route import Answer, Handler, Request
from nova_lite.durable import journal
from nova_lite.durable.journal import OperationRow
from nova_lite.model.ids import OperationId
from nova_lite.workflows.desk import SERVER

LOOK_S = 0.05
SELDOM_S = 0.5


def after_unseen(handler: Handler) -> Handler:
    """Have what begins an operation on the path's server wait for one that no client can see (tasks.UNSEEN).

    To clients the server has no task then, and the original would take the request. Several that wait may go at the same
    moment: who was late waits again. Nothing is waited for in a key's transaction. Raises: what `handler` does; Unavailable
    when too many wait.
    """

    @functools.wraps(handler)
    def handle(request: Request) -> Answer:
        def busy() -> bool:
            with request.parts.database.read() as tx:
                live = journal.live_operation(tx, SERVER, request.params["server_id"])
            return live is not None and live.workflow in tasks.UNSEEN

        until = request.parts.clock.monotonic() + request.parts.patience_s
        while True:
            try:
                return handler(request)
            except errors.Conflict:
                if request.parts.database.is_joint() or request.parts.clock.monotonic() >= until or not busy():
                    raise
            _wait_while(request, busy, until)

    return handle


def wait_for_end(request: Request, operation_id: OperationId) -> None:
    """Wait for an operation's end, for a while. One that a key's transaction has yet to commit is not waited for.

    Raises: NovaLiteError (500) with the operation's reason when it failed.
    """
    database = request.parts.database
    if database.is_joint():
        return

    def look() -> OperationRow:
        with database.read() as tx:
            return journal.operation(tx, operation_id)

    try:
        until = request.parts.clock.monotonic() + request.parts.patience_s
        _wait_while(request, lambda: look().ended_at is None, until)
    except errors.Unavailable:  # too many wait: the answer shows it as it is
        return
    ended = look()
    if ended.outcome == "failed":
        raise errors.NovaLiteError(ended.message)


def _wait_while(request: Request, busy: Callable[[], bool], until: float) -> None:
    """Look often at first, seldom later; give up at a moment of the clock (monotonic)."""
    clock, pause_s = request.parts.clock, LOOK_S
    with request.parts.admission.slot(Kind.HOST):
        while clock.monotonic() < until and busy():
            clock.sleep(pause_s)
            pause_s = min(2 * pause_s, SELDOM_S)
