"""Which action is allowed in which settled state: one table, used for the API's 409 and shown in the docs."""

from __future__ import annotations

from nova_lite import errors
from nova_lite.context import Context
from nova_lite.model.server import Server, ServerState

_ALL = frozenset(ServerState) - {ServerState.DELETED}
_STEADY = frozenset({ServerState.ACTIVE, ServerState.STOPPED, ServerState.PAUSED, ServerState.SUSPENDED})
_RUNNABLE = _STEADY | {ServerState.ERROR}

# Source: the Compute API reference, "Preconditions" of each action.
ALLOWED: dict[str, frozenset[ServerState]] = {
    "delete": _ALL,
    "update": _ALL,
    "start": frozenset({ServerState.STOPPED}),
    "stop": frozenset({ServerState.ACTIVE, ServerState.RESCUED, ServerState.ERROR}),
    "reboot_soft": frozenset({ServerState.ACTIVE}),
    "reboot_hard": _RUNNABLE,
    "console_output": frozenset({ServerState.ACTIVE, ServerState.STOPPED, ServerState.PAUSED, ServerState.RESCUED,
                                 ServerState.RESIZED, ServerState.SUSPENDED, ServerState.ERROR}),
    "metadata": _STEADY,
    "tags": _STEADY,
}  # fmt: skip


def require(server: Server, action: str) -> None:
    """Check that the server's settled state allows an action. A running operation is the journal's to refuse.

    Raises: Conflict.
    """
    allowed = ALLOWED[action]
    if server.state in allowed:
        return
    wanted = " or ".join(sorted(state.value for state in allowed))
    raise errors.Conflict(f"The server is {server.state.value}; '{action}' is possible while it is {wanted}.")


def require_unlocked(server: Server, context: Context) -> None:
    """Check that the server is not locked against its users. Raises: Conflict for all but admins."""
    if server.locked and not context.is_admin:
        raise errors.Conflict(f"The server {server.id} is locked.")
