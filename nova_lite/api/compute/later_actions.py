"""Actions that are known, checked, and not done yet: whoever may not ask, or asks in the wrong state, is told that first."""

from __future__ import annotations

from nova_lite import errors
from nova_lite.api.compute.lookup import ready_server
from nova_lite.api.route import Answer, Handler, Request


def not_yet(action: str) -> errors.NotImplementedHere:
    """Make the error of what this release cannot do."""
    return errors.NotImplementedHere(f"This cloud cannot do the action '{action}' yet.")


def later(action: str, state_rule: str | None = None) -> Handler:
    """Make the handler of an action that answers 501 once everything else was in order. Changes nothing."""

    def handle(request: Request) -> Answer:
        with request.parts.database.read() as tx:
            ready_server(request, tx, state_rule or action)
        raise not_yet(action)

    return handle
