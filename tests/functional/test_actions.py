"""What is done to one server where it is, through all daemons."""

from __future__ import annotations

import dataclasses
import json

import pytest
from functional.test_servers import NOTHING, act, everything_left, instances_used, project_of

from nova_lite.clock import SystemClock
from nova_lite.conductor.reconcilers.reclaim import Reclaim
from nova_lite.db.engine import Database
from nova_lite.db.tables.journal import operations


@pytest.fixture
def server_id(cloud):
    made = cloud.boot(cloud.image())
    cloud.wait_for(made, "ACTIVE")
    return made


def guest_of(cloud, server_id):
    host = cloud.server(server_id, user="admin")["OS-EXT-SRV-ATTR:host"]
    return json.loads((cloud.folder / "compute" / host / "hypervisor.json").read_text())["guests"][server_id]


def wait_idle(cloud, server_id):
    cloud.wait(lambda: cloud.server(server_id)["OS-EXT-STS:task_state"] is None, "it is at rest")


def wait_counted(cloud, server_id, what):
    """Wait for what no task state shows; once is enough."""
    cloud.wait(lambda: what in guest_of(cloud, server_id), f"{what} are counted")
    assert guest_of(cloud, server_id)[what] == 1


def actions_of(cloud, server_id):
    found = cloud.ask("GET", f"/servers/{server_id}/os-instance-actions").json["instanceActions"]
    return [(one["action"], one["message"]) for one in found]


def test_an_action_waits_for_what_no_client_can_see(cloud, server_id):
    for host in cloud.hosts:
        cloud.behave(host, json.dumps({"interrupt": {"delay_s": 1}}))

    answer = cloud.ask("POST", f"/servers/{server_id}/action", {"trigger_crash_dump": None}, version="2.17")
    assert answer.status_code == 202
    assert cloud.server(server_id)["OS-EXT-STS:task_state"] is None
    act(cloud, server_id, {"pause": None})  # a 409 would speak of nothing that its user did not see to be over

    cloud.wait_for(server_id, "PAUSED")
    assert actions_of(cloud, server_id) == [("pause", None), ("trigger_crash_dump", None), ("create", None)]


@pytest.mark.parametrize(
    ("hold", "go_on", "status", "power_state"), [("pause", "unpause", "PAUSED", 3), ("suspend", "resume", "SUSPENDED", 7)]
)
def test_a_server_is_held_and_goes_on_where_it_was(cloud, server_id, hold, go_on, status, power_state):
    act(cloud, server_id, {hold: None})
    shown = cloud.wait_for(server_id, status)
    assert (shown["OS-EXT-STS:power_state"], shown["OS-EXT-STS:vm_state"]) == (power_state, status.lower())
    act(cloud, server_id, {go_on: None})
    cloud.wait_for(server_id, "ACTIVE")

    assert guest_of(cloud, server_id)["boots"] == 1
    assert actions_of(cloud, server_id) == [(go_on, None), (hold, None), ("create", None)]


def test_the_task_is_shown_while_a_guest_is_suspended(cloud, server_id):
    for host in cloud.hosts:
        cloud.behave(host, json.dumps({"suspend": {"delay_s": 2}}))

    act(cloud, server_id, {"suspend": None})

    shown = cloud.server(server_id)
    assert (shown["status"], shown["OS-EXT-STS:task_state"]) == ("ACTIVE", "suspending")
    cloud.wait_for(server_id, "SUSPENDED")


def test_a_suspended_server_can_be_rebooted_hard_and_begins_anew(cloud, server_id):
    act(cloud, server_id, {"suspend": None})
    cloud.wait_for(server_id, "SUSPENDED")

    act(cloud, server_id, {"reboot": {"type": "HARD"}})
    cloud.wait_for(server_id, "ACTIVE")

    assert guest_of(cloud, server_id)["boots"] == 2


def test_what_a_host_refuses_leaves_the_server_as_it_was_and_is_told(cloud, server_id):
    for host in cloud.hosts:
        cloud.behave(host, json.dumps({"suspend": {"fail": {"message": "The disk is full."}}}))

    act(cloud, server_id, {"suspend": None})
    wait_idle(cloud, server_id)

    assert cloud.server(server_id)["status"] == "ACTIVE"
    assert actions_of(cloud, server_id)[0] == ("suspend", "Error")


def test_a_password_is_set_once_and_kept_nowhere(cloud, server_id):
    act(cloud, server_id, {"changePassword": {"adminPass": "sesame open"}})
    wait_idle(cloud, server_id)

    assert guest_of(cloud, server_id)["passwords"] == 1
    assert actions_of(cloud, server_id)[0] == ("changePassword", None)
    kept = [path.read_bytes() for path in (cloud.folder / "compute").rglob("*") if path.is_file()]
    assert not any(b"sesame open" in content for content in kept)
    with cloud.database.read() as tx:
        assert "sesame open" not in str(tx.execute(operations.select()).mappings().all())


@pytest.mark.parametrize(
    ("properties", "user"),
    [
        ({}, None),
        ({"os_type": "linux"}, None),
        ({"os_type": "Windows"}, "Administrator"),
        ({"os_type": "windows", "os_admin_user": "eve"}, "eve"),
    ],
)
def test_the_password_is_that_of_the_administrator_whom_the_image_names(cloud, properties, user):
    image = cloud.image()
    change = [{"op": "add", "path": f"/{name}", "value": value} for name, value in properties.items()]
    headers = {**cloud.log_in("demo"), "Content-Type": "application/openstack-images-v2.1-json-patch"}
    assert cloud.client.simulate_patch(f"/image/v2/images/{image}", body=json.dumps(change), headers=headers).status_code == 200
    server_id = cloud.boot(image)
    cloud.wait_for(server_id, "ACTIVE")

    act(cloud, server_id, {"changePassword": {"adminPass": "sesame open"}})
    wait_idle(cloud, server_id)

    assert guest_of(cloud, server_id)["administrator"] == user


def test_a_guest_is_interrupted_once(cloud, server_id):
    answer = cloud.ask("POST", f"/servers/{server_id}/action", {"trigger_crash_dump": None}, version="2.17")
    assert answer.status_code == 202
    wait_counted(cloud, server_id, "interrupts")

    assert actions_of(cloud, server_id)[0] == ("trigger_crash_dump", None)


# -- made anew where it is -----------------------------------------------------------------------------------------------


def test_a_server_is_rescued_and_is_as_before(cloud, server_id):
    other = cloud.image(b"r" * 4096)

    answer = act(cloud, server_id, {"rescue": {"rescue_image_ref": other}})
    shown = cloud.wait_for(server_id, "RESCUE")

    assert answer.json["adminPass"]
    assert (shown["OS-EXT-STS:vm_state"], shown["image"]["id"] == other) == ("rescued", False)
    assert guest_of(cloud, server_id)["rescue"] == other
    act(cloud, server_id, {"unrescue": None})
    cloud.wait_for(server_id, "ACTIVE")
    assert "rescue" not in guest_of(cloud, server_id)
    assert actions_of(cloud, server_id)[:2] == [("unrescue", None), ("rescue", None)]


def test_a_rescue_that_fails_leaves_the_server_running_as_before(cloud, server_id):
    for host in cloud.hosts:
        cloud.behave(host, json.dumps({"rescue": {"fail": {"message": "The disk is full."}}}))

    act(cloud, server_id, {"rescue": None})
    wait_idle(cloud, server_id)

    assert cloud.server(server_id)["status"] == "ACTIVE"
    assert guest_of(cloud, server_id)["power_state"] == 1
    assert actions_of(cloud, server_id)[0] == ("rescue", "Error")


@pytest.mark.parametrize("before", ["ACTIVE", "SHUTOFF"])
def test_a_rebuilt_server_keeps_its_id_address_and_power(cloud, server_id, before):
    other = cloud.image(b"r" * 4096)
    if before == "SHUTOFF":
        act(cloud, server_id, {"os-stop": None})
    old = cloud.wait_for(server_id, before)
    wait_idle(cloud, server_id)

    answer = act(cloud, server_id, {"rebuild": {"imageRef": other, "name": "another", "metadata": {"a": "b"}}})
    assert answer.json["server"]["status"] == "REBUILD"
    new = cloud.wait_for(server_id, before)

    assert (new["image"]["id"], new["name"], new["metadata"]) == (other, "another", {"a": "b"})
    assert (new["addresses"], new["hostId"], new["flavor"]) == (old["addresses"], old["hostId"], old["flavor"])
    assert guest_of(cloud, server_id)["rebuilds"] == 1
    assert guest_of(cloud, server_id)["power_state"] == new["OS-EXT-STS:power_state"]


def test_an_image_that_the_host_cannot_get_changes_nothing(cloud, server_id):
    for host in cloud.hosts:
        cloud.behave(host, json.dumps({"fetch": {"fail": {"message": "The image is damaged.", "host_at_fault": False}}}))

    act(cloud, server_id, {"rebuild": {"imageRef": cloud.image(b"r" * 4096), "name": "another"}})
    wait_idle(cloud, server_id)

    shown = cloud.server(server_id)
    assert (shown["status"], shown["name"]) == ("ACTIVE", "s")
    assert guest_of(cloud, server_id).get("rebuilds") is None


def test_a_rebuild_that_fails_is_an_error_that_another_cures(cloud, server_id):
    fail = {"rebuild": {"fail": {"message": "The disk broke.", "host_at_fault": False, "times": 1}}}
    for host in cloud.hosts:
        cloud.behave(host, json.dumps(fail))
    image = cloud.server(server_id)["image"]["id"]

    act(cloud, server_id, {"rebuild": {"imageRef": image}})
    failed = cloud.wait_for(server_id, "ERROR")
    assert failed["fault"]["message"] == "The disk broke."
    act(cloud, server_id, {"rebuild": {"imageRef": image}})

    assert "fault" not in cloud.wait_for(server_id, "ACTIVE")


def test_an_admin_has_a_guest_wired_again(cloud, server_id):
    answer = cloud.ask("POST", f"/servers/{server_id}/action", {"injectNetworkInfo": None}, user="admin")
    assert answer.status_code == 202
    wait_counted(cloud, server_id, "rewired")

    assert actions_of(cloud, server_id)[0] == ("injectNetworkInfo", None)


class Later(SystemClock):
    """The wall clock of some time later."""

    def __init__(self, by_s):
        super().__init__()
        self.by_s = by_s

    def wall(self):
        return super().wall() + self.by_s


# -- deleted softly ------------------------------------------------------------------------------------------------------


@pytest.fixture
def keeping(cloud):
    """The cloud keeps deleted servers for an hour."""
    parts = cloud.parts
    parts = dataclasses.replace(parts, desk=dataclasses.replace(parts.desk, reclaim_s=3600))
    cloud.serve(parts)
    return cloud


def soft_delete(cloud, server_id):
    assert cloud.ask("DELETE", f"/servers/{server_id}").status_code == 204
    cloud.wait_for(server_id, "SOFT_DELETED")
    wait_idle(cloud, server_id)


def listed(cloud, query=""):
    return [one["id"] for one in cloud.ask("GET", f"/servers{query}").json["servers"]]


def test_a_deleted_server_is_hidden_and_comes_back(keeping, server_id):
    project_id = project_of(keeping, server_id)

    soft_delete(keeping, server_id)

    assert (listed(keeping), listed(keeping, "?status=SOFT_DELETED")) == ([], [server_id])
    assert guest_of(keeping, server_id)["power_state"] == 4
    assert instances_used(keeping, project_id) == 0
    assert keeping.ask("DELETE", f"/servers/{server_id}").status_code == 204, "it is deleted already"
    act(keeping, server_id, {"restore": None})
    keeping.wait_for(server_id, "ACTIVE")
    assert listed(keeping) == [server_id]
    assert instances_used(keeping, project_id) == 1
    assert actions_of(keeping, server_id) == [("restore", None), ("delete", None), ("create", None)]


def test_what_was_deleted_softly_can_be_deleted_for_good(keeping, server_id):
    soft_delete(keeping, server_id)

    act(keeping, server_id, {"forceDelete": None})
    keeping.wait_gone(server_id)

    assert everything_left(keeping) == NOTHING


def test_a_restore_needs_quota(keeping, server_id):
    project_id = project_of(keeping, server_id)
    soft_delete(keeping, server_id)
    limits = {"quota_set": {"instances": 0}}
    assert keeping.ask("PUT", f"/os-quota-sets/{project_id}", limits, user="admin").status_code == 200

    answer = keeping.ask("POST", f"/servers/{server_id}/action", {"restore": None})

    assert answer.status_code == 403
    assert keeping.server(server_id)["status"] == "SOFT_DELETED"


def test_a_server_is_reclaimed_when_its_time_is_over(keeping, server_id):
    soft_delete(keeping, server_id)
    early, due = (Reclaim(Database(keeping.url, Later(by_s)), 3600, lambda _operation: None) for by_s in (3500, 3700))

    assert early.reconcile() == 0
    assert due.reconcile() == 1

    keeping.wait_gone(server_id)
    assert everything_left(keeping) == NOTHING


def test_a_server_that_was_never_built_is_deleted_at_once(keeping):
    for host in keeping.hosts:
        keeping.behave(host, json.dumps({"ensure_guest": {"fail": {"message": "no luck", "host_at_fault": False}}}))
    made = keeping.boot(keeping.image())
    keeping.wait_for(made, "ERROR")

    assert keeping.ask("DELETE", f"/servers/{made}").status_code == 204
    keeping.wait_gone(made)
