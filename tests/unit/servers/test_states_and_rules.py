"""The states a server is shown in, and what it allows in each."""

from __future__ import annotations

import pytest

from nova_lite import errors
from nova_lite.context import Context
from nova_lite.model.flavor import Flavor
from nova_lite.model.guest import PowerState
from nova_lite.model.server import LiveOperation, Server, ServerState
from nova_lite.servers import rules, states


def server(state, task=None, **changes):
    live = None if task is None else LiveOperation(id="o", workflow="w", step=task, unwinding=False, task_state=None)
    flavor = Flavor(id="1", name="f", vcpus=1, ram_mib=1)
    return Server(id="s", project_id="p", user_id="u", name="n", hostname="n", state=state, flavor=flavor, live=live, **changes)


@pytest.mark.parametrize(
    ("state", "task", "status", "progress"),
    [
        (ServerState.BUILDING, "spawning", "BUILD", 0),
        (ServerState.ACTIVE, None, "ACTIVE", 0),
        (ServerState.ACTIVE, "powering-off", "ACTIVE", 0),
        (ServerState.ACTIVE, "rebooting", "REBOOT", None),
        (ServerState.ACTIVE, "rebooting_hard", "HARD_REBOOT", None),
        (ServerState.STOPPED, None, "SHUTOFF", None),
        (ServerState.ERROR, "deleting", "ERROR", None),
        (ServerState.DELETED, None, "DELETED", None),
    ],
)
def test_status_of_state_and_task(state, task, status, progress):
    shown = states.shown(server(state, task), lambda workflow, step: step)

    assert (shown.status, shown.vm_state, shown.task_state, shown.progress) == (status, state.value, task, progress)


def test_a_server_that_is_being_built_has_no_power_state():
    assert states.shown(server(ServerState.BUILDING, power_state=PowerState.RUNNING)).power_state == 0


@pytest.mark.parametrize("state", list(ServerState))
def test_every_state_has_a_status(state):
    assert states.shown(server(state)).status


@pytest.mark.parametrize(
    ("action", "state", "allowed"),
    [
        ("start", ServerState.STOPPED, True),
        ("start", ServerState.ACTIVE, False),
        ("stop", ServerState.ACTIVE, True),
        ("stop", ServerState.BUILDING, False),
        ("reboot_soft", ServerState.STOPPED, False),
        ("reboot_hard", ServerState.STOPPED, True),
        ("delete", ServerState.BUILDING, True),
        ("delete", ServerState.ERROR, True),
        ("delete", ServerState.DELETED, False),
    ],
)
def test_actions_in_states(action, state, allowed):
    if allowed:
        rules.require(server(state), action)
    else:
        with pytest.raises(errors.Conflict, match=f"The server is {state.value}"):
            rules.require(server(state), action)


def test_a_locked_server_refuses_all_but_admins():
    locked = server(ServerState.ACTIVE, locked=True)

    with pytest.raises(errors.Conflict):
        rules.require_unlocked(locked, Context(request_id="r"))
    rules.require_unlocked(locked, Context(request_id="r", roles=frozenset({"admin"})))
