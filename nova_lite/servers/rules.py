"""Which action is allowed in which settled state: one table, used for the API's 409 and shown in the docs."""

from __future__ import annotations

from nova_lite import errors
from nova_lite.context import Context
from nova_lite.model.server import Server, ServerState

_ALL = frozenset(ServerState) - {ServerState.DELETED}
_STEADY = frozenset({ServerState.ACTIVE, ServerState.STOPPED, ServerState.PAUSED, ServerState.SUSPENDED})
_RUNNABLE = _STEADY | {ServerState.ERROR}


def _of(names: str) -> frozenset[ServerState]:
    return frozenset(ServerState[name] for name in names.split())


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
    "pause": _of("ACTIVE"),
    "unpause": _of("PAUSED"),
    "suspend": _of("ACTIVE"),
    "resume": _of("SUSPENDED"),
    "rescue": _of("ACTIVE STOPPED ERROR"),
    "unrescue": _of("RESCUED"),
    "shelve": _of("ACTIVE STOPPED PAUSED SUSPENDED"),
    "shelveOffload": _of("SHELVED"),
    "unshelve": _of("SHELVED SHELVED_OFFLOADED"),
    "resize": _of("ACTIVE STOPPED"),
    "confirmResize": _of("RESIZED"),
    "revertResize": _of("RESIZED"),
    "rebuild": _of("ACTIVE STOPPED ERROR"),
    "createImage": _of("ACTIVE STOPPED PAUSED SUSPENDED"),
    "createBackup": _of("ACTIVE STOPPED PAUSED SUSPENDED"),
    "changePassword": _of("ACTIVE"),
    "trigger_crash_dump": _of("ACTIVE PAUSED RESCUED RESIZED ERROR"),
    "injectNetworkInfo": _of("ACTIVE PAUSED SUSPENDED STOPPED ERROR"),
    "migrate": _of("ACTIVE STOPPED"),
    "os-migrateLive": _of("ACTIVE PAUSED"),
    "evacuate": _of("ACTIVE STOPPED ERROR"),
    "restore": _of("SOFT_DELETED"),
    "addSecurityGroup": _ALL,
    "removeSecurityGroup": _ALL,
    "addFixedIp": _of("ACTIVE PAUSED STOPPED"),
    "removeFixedIp": _of("ACTIVE PAUSED STOPPED"),
    "addFloatingIp": _ALL,
    "removeFloatingIp": _ALL,
    "interface": _of("ACTIVE PAUSED STOPPED"),
    "volume": _of("ACTIVE PAUSED STOPPED SUSPENDED RESIZED SHELVED SHELVED_OFFLOADED"),
    "remote_console": _ALL - _of("BUILDING"),
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
