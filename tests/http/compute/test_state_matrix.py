"""Each action in each state: taken, or refused as the original refuses; on locked, deleted and foreign servers too."""

from __future__ import annotations

import pytest

from nova_lite.model.guest import PowerState
from nova_lite.model.server import ServerState
from nova_lite.servers import records, rules

IMAGE = "${image}"
# The least good body of each action, by its rule in servers/rules.py, and the newest version that knows it.
BODIES = {
    "start": {"os-start": None},
    "stop": {"os-stop": None},
    "reboot_soft": {"reboot": {"type": "SOFT"}},
    "reboot_hard": {"reboot": {"type": "HARD"}},
    "pause": {"pause": None},
    "unpause": {"unpause": None},
    "suspend": {"suspend": None},
    "resume": {"resume": None},
    "rescue": {"rescue": {"rescue_image_ref": IMAGE}},
    "unrescue": {"unrescue": None},
    "rebuild": {"rebuild": {"imageRef": IMAGE}},
    "restore": {"restore": None},
    "changePassword": {"changePassword": {"adminPass": "secret"}},
    "trigger_crash_dump": {"trigger_crash_dump": None},
}
TAKEN = (200, 202)


@pytest.fixture
def ask(client, world, variables):
    """Give a function that asks for an action on a server of the world; the image's id is filled in."""

    def send(action, name, user="demo"):
        body = {key: _filled(value, variables) for key, value in BODIES[action].items()}
        headers = {"X-Auth-Token": world.tokens[user], "OpenStack-API-Version": "compute 2.79"}
        return client.simulate_request("POST", f"/compute/v2.1/servers/{variables[name]}/action", headers=headers, json=body)

    return send


def _filled(content, variables):
    if not isinstance(content, dict):
        return content
    return {key: variables["image"] if value == IMAGE else value for key, value in content.items()}


@pytest.fixture
def put(database, variables):
    """Give a function that puts a server of the world into a state, on a host, with an agent in its guest."""

    def into(state, name="active", **more):
        fields = {"state": state, "host": "host1", "image_properties": {"hw_qemu_guest_agent": "yes"}, **more}
        database.transact(lambda tx: records.update(tx, variables[name], power_state=PowerState.RUNNING, **fields))

    return into


def check_refused(answer, status=409):
    assert answer.status_code == status, answer.text
    (kind,) = answer.json
    assert kind == {409: "conflictingRequest", 404: "itemNotFound"}[status]
    assert (answer.json[kind]["code"], bool(answer.json[kind]["message"])) == (status, True)


@pytest.mark.parametrize("state", list(ServerState), ids=str)
@pytest.mark.parametrize("action", BODIES)
def test_an_action_is_taken_in_its_states_and_refused_in_others(ask, put, action, state):
    put(state)

    answer = ask(action, "active")

    if state is ServerState.DELETED:
        check_refused(answer, 404)
    elif state in rules.ALLOWED[action]:
        assert answer.status_code in TAKEN, answer.text
    else:
        check_refused(answer)


@pytest.mark.parametrize("action", BODIES)
def test_a_lock_keeps_from_every_action_but_the_admins(ask, put, action):
    put(min(rules.ALLOWED[action]), "locked")

    check_refused(ask(action, "locked"))
    assert ask(action, "locked", "admin").status_code in TAKEN


@pytest.mark.parametrize("action", BODIES)
def test_another_projects_server_is_not_there(ask, put, action):
    put(min(rules.ALLOWED[action]), "foreign")

    check_refused(ask(action, "foreign"), 404)


@pytest.mark.parametrize("action", BODIES)
def test_one_action_at_a_time(ask, put, action):
    put(min(rules.ALLOWED[action]), "rebooting")

    check_refused(ask(action, "rebooting"))


@pytest.mark.parametrize("action", BODIES)
def test_what_is_on_no_host_is_refused(ask, put, action):
    put(min(rules.ALLOWED[action]), host=None)

    check_refused(ask(action, "active"))


def test_every_action_of_a_guest_is_asked(variables):
    elsewhere = {"delete", "update", "console_output", "metadata", "tags", "interface", "volume", "remote_console"}
    elsewhere |= {"shelve", "shelveOffload", "unshelve", "resize", "confirmResize", "revertResize", "createImage"}
    elsewhere |= {"createBackup", "migrate", "os-migrateLive", "evacuate", "addSecurityGroup", "removeSecurityGroup"}
    elsewhere |= {"addFixedIp", "removeFixedIp", "addFloatingIp", "removeFloatingIp", "injectNetworkInfo"}  # the last: below

    assert set(rules.ALLOWED) - elsewhere == set(BODIES)


@pytest.mark.parametrize("state", list(ServerState), ids=str)
def test_an_admin_has_a_guest_wired_again_in_its_states(client, world, variables, put, state):
    put(state)

    answer = client.simulate_post(
        f"/compute/v2.1/servers/{variables['active']}/action",
        headers={"X-Auth-Token": world.tokens["admin"]},
        json={"injectNetworkInfo": None},
    )

    expected = 404 if state is ServerState.DELETED else 202 if state in rules.ALLOWED["injectNetworkInfo"] else 409
    assert answer.status_code == expected


def test_a_softly_deleted_server_is_restored_and_not_reset(client, world, variables, put):
    put(ServerState.SOFT_DELETED)

    answer = client.simulate_post(
        f"/compute/v2.1/servers/{variables['active']}/action",
        headers={"X-Auth-Token": world.tokens["admin"]},
        json={"os-resetState": {"state": "active"}},
    )

    check_refused(answer)


def test_what_was_deleted_softly_is_shown_and_not_listed(client, world, variables, put):
    put(ServerState.SOFT_DELETED, terminated_at=1_700_000_080.0)
    headers = {"X-Auth-Token": world.tokens["demo"]}

    def get(path):
        return client.simulate_get(f"/compute/v2.1/servers{path}", headers=headers).json

    assert get(f"/{variables['active']}")["server"]["status"] == "SOFT_DELETED"
    assert variables["active"] not in [one["id"] for one in get("")["servers"]]
    assert [one["id"] for one in get("?status=SOFT_DELETED")["servers"]] == [variables["active"]]


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize("state", list(ServerState), ids=str)
def test_interfaces_come_and_go_in_their_states(client, world, variables, put, state, method):
    put(state)
    path = f"/compute/v2.1/servers/{variables['active']}/os-interface"
    path += f"/{variables['port']}" if method == "DELETE" else ""

    answer = client.simulate_request(method, path, headers={"X-Auth-Token": world.tokens["demo"]})

    if state is ServerState.DELETED:
        check_refused(answer, 404)
    elif state in rules.ALLOWED["interface"]:
        assert answer.status_code == {"POST": 200, "DELETE": 202}[method], answer.text
    else:
        check_refused(answer)
