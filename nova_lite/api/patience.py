"""Waiting for operations where the original's answer comes after the deed. Bounded; what is in hand goes on in any case."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from nova_lite import errors
from nova_lite.api.admission import Kind
from nova_lite.api.route import Answer, Request
from nova_lite.durable import journal
from nova_lite.durable.journal import OperationRow
from nova_lite.model.ids import OperationId
from nova_lite.workflows.desk import SERVER
from nova_lite.workflows.registry import REGISTRY

LOOK_S = 0.05
SELDOM_S = 0.5
# Workflows that are no task to clients in any of their steps.
UNSEEN = frozenset(workflow.name for workflow in REGISTRY.all() if not any(step.shown_as for step in workflow.steps))
T = TypeVar("T")


class OperationFailed(errors.NovaLiteError):
    """The operation failed."""


def on_server(request: Request, act: Callable[[], Answer]) -> Answer:
    """Take the turn of a route (`Route.turn`) that begins an operation on the path's server. Raises: as `in_turn`."""
    return in_turn(request, request.params["server_id"], act)


def in_turn(request: Request, server_id: str, act: Callable[[], T], *, until: float | None = None) -> T:
    """Begin an operation on a server after one that no client can see (UNSEEN).

    To clients the server has no task then, and the original would take the request. Several that wait may go at the same
    moment: who was late waits again. Nothing is waited for in a key's transaction. `until`: a moment of the clock (monotonic)
    that several turns of one request have in common. Raises: what `act` does; Unavailable when too many wait.
    """

    def busy() -> bool:
        with request.parts.database.read() as tx:
            live = journal.live_operation(tx, SERVER, server_id)
        return live is not None and live.workflow in UNSEEN

    until = patient_until(request) if until is None else until
    while True:
        try:
            return act()
        except errors.Conflict:
            if request.parts.database.is_joint() or request.parts.clock.monotonic() >= until:
                raise
        if not busy():
            return act()  # it may have ended just now; what is in the way still is no such thing
        _wait_while(request, busy, until)


def patient_until(request: Request) -> float:
    """Give until when a request that begins to wait now does so (monotonic)."""
    return request.parts.clock.monotonic() + request.parts.patience_s


def wait_for_end(request: Request, operation_id: OperationId) -> None:
    """Wait for an operation's end, for a while. One that a key's transaction has yet to commit is not waited for.

    Raises: OperationFailed with the operation's reason.
    """
    database = request.parts.database
    if database.is_joint():
        return

    def look() -> OperationRow:
        with database.read() as tx:
            return journal.operation(tx, operation_id)

    try:
        _wait_while(request, lambda: look().ended_at is None, patient_until(request))
    except errors.Unavailable:  # too many wait: the answer shows it as it is
        return
    ended = look()
    if ended.outcome == "failed":
        raise OperationFailed(ended.message)


def _wait_while(request: Request, busy: Callable[[], bool], until: float) -> None:
    """Look often at first, seldom later; give up at a moment of the clock (monotonic)."""
    clock, pause_s = request.parts.clock, LOOK_S
    with request.parts.admission.slot(Kind.HOST):
        while clock.monotonic() < until and busy():
            clock.sleep(pause_s)
            pause_s = min(2 * pause_s, SELDOM_S)
