"""Power: start, stop, reboot, pause, suspend. What fails leaves the server as it was, with the reason in its events."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from nova_lite import errors
from nova_lite.context import Context
from nova_lite.db.engine import Tx
from nova_lite.durable.workflow import Done, Outside, Record, Run, Wait, Workflow, minutes, seconds
from nova_lite.model.guest import PowerState
from nova_lite.model.ids import HostName, ServerId
from nova_lite.model.server import ServerState, TaskState
from nova_lite.rpc.commands import EnsurePower, Hold, HoldGuest, Power, RebootGuest
from nova_lite.servers import records
from nova_lite.workflows import delete
from nova_lite.workflows.accepting import Beginning, begin, host_of, ready
from nova_lite.workflows.desk import Desk
from nova_lite.workflows.orders import notice_of, obeyed

SAVE_S = 600.0  # how long writing a guest's memory to its host's disk may take
GRACEFUL_S = 60.0  # how long a guest may take to shut itself down before the plug is pulled


@dataclasses.dataclass(frozen=True, kw_only=True)
class PowerParams:
    """Whose power, on which host; `hard` only says something of a reboot."""

    server_id: ServerId
    host: HostName
    hard: bool = False


def power_on(run: Run[PowerParams]) -> Done | Wait:
    """Have the guest running."""
    return obeyed(run, run.params.host, lambda head: EnsurePower(head=head, power=Power.ON))


def power_off(run: Run[PowerParams]) -> Done | Wait:
    """Have the guest shut down, by its own will or, after a minute, without it."""
    return obeyed(run, run.params.host, lambda head: EnsurePower(head=head, power=Power.OFF, graceful_s=GRACEFUL_S))


def reboot(run: Run[PowerParams]) -> Done | Wait:
    """Have the guest rebooted once."""
    hard = run.params.hard
    return obeyed(run, run.params.host, lambda head: RebootGuest(head=head, hard=hard, graceful_s=GRACEFUL_S))


def pause(run: Run[PowerParams]) -> Done | Wait:
    """Have the guest's CPUs stand still."""
    return obeyed(run, run.params.host, lambda head: HoldGuest(head=head, hold=Hold.PAUSED))


def suspend(run: Run[PowerParams]) -> Done | Wait:
    """Have the guest's memory kept on its host, and the guest off."""
    return obeyed(run, run.params.host, lambda head: HoldGuest(head=head, hold=Hold.SUSPENDED))


# What a settled server is after the verb, and what other services are told of it.
ACTIVE = (ServerState.ACTIVE, PowerState.RUNNING)
STOPPED = (ServerState.STOPPED, PowerState.SHUTDOWN)
PAUSED = (ServerState.PAUSED, PowerState.PAUSED)
SUSPENDED = (ServerState.SUSPENDED, PowerState.SUSPENDED)
EVENTS = {"start": "power_on", "stop": "power_off", "reboot": "reboot", "reboot_hard": "reboot"}  # others: as they are named


def _settling(event: str, state: tuple[ServerState, PowerState]) -> Callable[[Run[PowerParams]], Done]:
    def settle(run: Run[PowerParams]) -> Done:
        """Settle the server; a fault of earlier is forgotten."""
        server_id = run.params.server_id
        records.update(run.tx, server_id, state=state[0], power_state=state[1], fault=None)
        records.announce(run.tx, server_id, f"{event}.end", notice_of(run))
        return Done()

    return settle


def _telling_failure(event: str) -> Callable[[Run[PowerParams]], None]:
    def tell(run: Run[PowerParams]) -> None:
        """Tell other services; the server is as it was, and the reason stands in its events."""
        records.announce(run.tx, run.params.server_id, f"{event}.error", notice_of(run))

    return tell


def _workflow(
    name: str,
    step: str,
    act: Callable[[Run[PowerParams]], Done | Wait],
    state: tuple[ServerState, PowerState],
    shown_as: TaskState,
    deadline_s: float = minutes(5),
) -> Workflow[PowerParams]:
    event = EVENTS.get(name, name)
    return Workflow(
        name=name,
        version=1,
        params=PowerParams,
        steps=(
            # No undo: a guest that was turned on or off by half is told by the power-state reconciler.
            Outside(step, act, None, shown_as, deadline_s),
            Record(f"mark_{state[0].value}", _settling(event, state), None, shown_as, seconds(60)),
        ),
        on_failure=_telling_failure(event),
        on_delete=delete.begin_after,
    )


START = _workflow("start", "power_on", power_on, ACTIVE, TaskState.POWERING_ON)
STOP = _workflow("stop", "power_off", power_off, STOPPED, TaskState.POWERING_OFF)
REBOOT = _workflow("reboot", "reboot_guest", reboot, ACTIVE, TaskState.REBOOTING)
REBOOT_HARD = _workflow("reboot_hard", "reboot_guest", reboot, ACTIVE, TaskState.REBOOTING_HARD)
PAUSE = _workflow("pause", "pause_guest", pause, PAUSED, TaskState.PAUSING)
UNPAUSE = _workflow("unpause", "unpause_guest", power_on, ACTIVE, TaskState.UNPAUSING)
SUSPEND = _workflow("suspend", "suspend_guest", suspend, SUSPENDED, TaskState.SUSPENDING, SAVE_S)
RESUME = _workflow("resume", "resume_guest", power_on, ACTIVE, TaskState.RESUMING, SAVE_S)


def accept_start(desk: Desk, context: Context, server_id: ServerId) -> None:
    """Accept a start. Raises: NotFound; Conflict when its state or a running operation does not allow it."""
    desk.database.transact(lambda tx: _accept(desk, tx, context, (START, "start", False), server_id))


def accept_start_again(desk: Desk, context: Context, server_id: ServerId) -> None:
    """Accept the start of a server that is active, whose guest its host's boot has turned off. Raises: NotFound; Conflict."""

    def work(tx: Tx) -> None:
        server = records.get(tx, server_id)
        if server.state is not ServerState.ACTIVE:
            raise errors.Conflict("Only an active server is started again.")
        params = PowerParams(server_id=server_id, host=host_of(server))
        begin(desk, tx, context, Beginning(server=server, workflow=START, params=params, event=EVENTS["start"]))

    desk.database.transact(work)


def accept_stop(desk: Desk, context: Context, server_id: ServerId) -> None:
    """Accept a stop. Raises: NotFound; Conflict when its state or a running operation does not allow it."""
    desk.database.transact(lambda tx: _accept(desk, tx, context, (STOP, "stop", False), server_id))


def accept_reboot(desk: Desk, context: Context, server_id: ServerId, *, hard: bool) -> None:
    """Accept a reboot. Raises: NotFound; Conflict when its state or a running operation does not allow it."""
    verb = (REBOOT_HARD, "reboot_hard", True) if hard else (REBOOT, "reboot_soft", False)
    desk.database.transact(lambda tx: _accept(desk, tx, context, verb, server_id))


def accept_pause(desk: Desk, context: Context, server_id: ServerId) -> None:
    """Accept a pause. Raises: NotFound; Conflict when its state or a running operation does not allow it."""
    desk.database.transact(lambda tx: _accept(desk, tx, context, (PAUSE, "pause", False), server_id))


def accept_unpause(desk: Desk, context: Context, server_id: ServerId) -> None:
    """Accept the end of a pause. Raises: NotFound; Conflict when its state or a running operation does not allow it."""
    desk.database.transact(lambda tx: _accept(desk, tx, context, (UNPAUSE, "unpause", False), server_id))


def accept_suspend(desk: Desk, context: Context, server_id: ServerId) -> None:
    """Accept a suspension. Raises: NotFound; Conflict when its state or a running operation does not allow it."""
    desk.database.transact(lambda tx: _accept(desk, tx, context, (SUSPEND, "suspend", False), server_id))


def accept_resume(desk: Desk, context: Context, server_id: ServerId) -> None:
    """Accept the end of a suspension. Raises: NotFound; Conflict when its state or a running operation does not allow it."""
    desk.database.transact(lambda tx: _accept(desk, tx, context, (RESUME, "resume", False), server_id))


def _accept(desk: Desk, tx: Tx, context: Context, verb: tuple[Workflow[PowerParams], str, bool], server_id: ServerId) -> None:
    workflow, action, hard = verb
    server = ready(tx, server_id, action)
    event = EVENTS.get(workflow.name, workflow.name)
    params = PowerParams(server_id=server_id, host=host_of(server), hard=hard)
    begin(desk, tx, context, Beginning(server=server, workflow=workflow, params=params, event=event))
