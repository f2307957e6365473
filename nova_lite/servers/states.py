"""What a server is shown as: status, vm state, task state, power state and progress, from its row and live operation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType

from nova_lite.model.guest import PowerState
from nova_lite.model.server import LiveOperation, Server, ServerState, TaskState

# How a workflow's step is shown. The workflows stand above this room, so their table is handed in.
ShownAs = Callable[[str, str | None], str | None]

STATUS: Mapping[ServerState, str] = MappingProxyType(
    {
        ServerState.BUILDING: "BUILD",
        ServerState.ACTIVE: "ACTIVE",
        ServerState.STOPPED: "SHUTOFF",
        ServerState.PAUSED: "PAUSED",
        ServerState.SUSPENDED: "SUSPENDED",
        ServerState.RESCUED: "RESCUE",
        ServerState.RESIZED: "VERIFY_RESIZE",
        ServerState.SHELVED: "SHELVED",
        ServerState.SHELVED_OFFLOADED: "SHELVED_OFFLOADED",
        ServerState.SOFT_DELETED: "SOFT_DELETED",
        ServerState.ERROR: "ERROR",
        ServerState.DELETED: "DELETED",
    }
)
# A task that changes the status, by the settled state it begins in.
STATUS_DURING: Mapping[tuple[ServerState, str], str] = MappingProxyType(
    {
        (ServerState.ACTIVE, TaskState.REBOOTING.value): "REBOOT",
        (ServerState.ACTIVE, TaskState.REBOOTING_HARD.value): "HARD_REBOOT",
        **{
            (state, task.value): "RESIZE"
            for state in (ServerState.ACTIVE, ServerState.STOPPED)
            for task in (
                TaskState.RESIZE_PREP,
                TaskState.RESIZE_MIGRATING,
                TaskState.RESIZE_MIGRATED,
                TaskState.RESIZE_FINISH,
            )
        },
        **{(state, TaskState.MIGRATING.value): "MIGRATING" for state in (ServerState.ACTIVE, ServerState.PAUSED)},
        (ServerState.RESIZED, TaskState.RESIZE_REVERTING.value): "REVERT_RESIZE",
        **{
            (state, task.value): "REBUILD"
            for state in (ServerState.ACTIVE, ServerState.STOPPED, ServerState.ERROR)
            for task in (TaskState.REBUILDING, TaskState.REBUILD_BLOCK_DEVICE, TaskState.REBUILD_SPAWNING)
        },
    }
)
WITH_PROGRESS = frozenset({"ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING"})
WITH_FAULT = frozenset({"ERROR", "DELETED"})


@dataclasses.dataclass(frozen=True, slots=True)
class Shown:
    """A server's states as the Compute API names them. `progress` is None where the API shows none."""

    status: str
    vm_state: str
    task_state: str | None
    power_state: int
    progress: int | None


def no_steps(workflow: str, step: str | None) -> str | None:
    """Know no workflow: for callers that do not show tasks."""
    return None


def shown(server: Server, shown_as: ShownAs = no_steps) -> Shown:
    """Compute all states at once."""
    task = task_state(server.live, shown_as)
    state = server.state
    status = STATUS_DURING.get((state, task), STATUS[state]) if task is not None else STATUS[state]
    power = PowerState.NOSTATE if state in (ServerState.BUILDING, ServerState.DELETED) else server.power_state
    return Shown(status, state.value, task, power.value, 0 if status in WITH_PROGRESS else None)


def task_state(live: LiveOperation | None, shown_as: ShownAs = no_steps) -> str | None:
    """Give what the live operation is shown as; a delete that was asked meanwhile comes first."""
    if live is None:
        return None
    if live.task_state is not None:
        return live.task_state.value
    return shown_as(live.workflow, live.step)
