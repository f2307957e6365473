"""Servers that move between hosts and sizes, with all daemons of the cloud: what users and operators see of it."""

from __future__ import annotations

import json

import pytest
from functional.cloud import running


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with running(tmp_path_factory.mktemp("moves"), "h1", "h2") as cloud:
        cloud.picture = cloud.image()
        yield cloud


def held(cloud, host):
    return set(json.loads((cloud.folder / "compute" / host / "hypervisor.json").read_text())["held"])


def act(cloud, server_id, body, *, user="demo", version="2.1", status=202):
    answer = cloud.ask("POST", f"/servers/{server_id}/action", body, user=user, version=version)
    assert answer.status_code == status, answer.text


def booted(cloud):
    server_id = cloud.boot(cloud.picture)
    cloud.wait_for(server_id, "ACTIVE")
    return server_id


def host_of(cloud, server_id):
    return cloud.server(server_id, user="admin")["OS-EXT-SRV-ATTR:host"]


def cores(cloud):
    return cloud.ask("GET", "/limits").json["limits"]["absolute"]["totalCoresUsed"]


def migrations(cloud, **query):
    found = cloud.ask("GET", "/os-migrations", user="admin", version="2.80").json["migrations"]
    return [one for one in found if all(one[name] == value for name, value in query.items())]


def delete(cloud, server_id):
    assert cloud.ask("DELETE", f"/servers/{server_id}").status_code == 204
    cloud.wait_gone(server_id)
    assert all(server_id not in cloud.guests(host) | held(cloud, host) for host in ("h1", "h2"))


def test_a_resize_is_confirmed(cloud):
    before = cores(cloud)
    server_id = booted(cloud)
    act(cloud, server_id, {"resize": {"flavorRef": "3"}})
    shown = cloud.wait_for(server_id, "VERIFY_RESIZE")
    assert (shown["flavor"]["id"], shown["OS-EXT-STS:vm_state"], shown["OS-EXT-STS:task_state"]) == ("3", "resized", None)
    assert cores(cloud) == before + 2

    act(cloud, server_id, {"confirmResize": None}, status=204)

    shown = cloud.wait_for(server_id, "ACTIVE")
    assert shown["flavor"]["id"] == "3"
    (move,) = migrations(cloud, instance_uuid=server_id)
    assert (move["status"], move["migration_type"], move["old_instance_type_id"]) == ("confirmed", "resize", 1)
    delete(cloud, server_id)
    assert cores(cloud) == before


def test_a_resize_is_reverted(cloud):
    before = cores(cloud)
    server_id = booted(cloud)
    host = host_of(cloud, server_id)
    act(cloud, server_id, {"resize": {"flavorRef": "3"}})
    cloud.wait_for(server_id, "VERIFY_RESIZE")

    act(cloud, server_id, {"revertResize": None})

    shown = cloud.wait_for(server_id, "ACTIVE")
    assert (shown["flavor"]["id"], host_of(cloud, server_id)) == ("1", host)
    assert cores(cloud) == before + 1
    assert migrations(cloud, instance_uuid=server_id)[0]["status"] == "reverted"
    delete(cloud, server_id)


def test_a_server_that_is_off_migrates_to_a_named_host_through_the_door_of_its_own(cloud):
    server_id = booted(cloud)
    source = host_of(cloud, server_id)
    target = {"h1": "h2", "h2": "h1"}[source]
    act(cloud, server_id, {"os-stop": None})
    cloud.wait_for(server_id, "SHUTOFF")

    act(cloud, server_id, {"migrate": {"host": target}}, user="admin", version="2.56")

    cloud.wait_for(server_id, "VERIFY_RESIZE")
    assert host_of(cloud, server_id) == target
    assert server_id in cloud.guests(target) and server_id not in cloud.guests(source)
    assert server_id in held(cloud, source)
    act(cloud, server_id, {"confirmResize": None}, status=204)
    cloud.wait_for(server_id, "SHUTOFF")
    assert held(cloud, source) == set()
    (move,) = migrations(cloud, instance_uuid=server_id)
    assert (move["source_compute"], move["dest_compute"], move["status"]) == (source, target, "confirmed")
    delete(cloud, server_id)


def test_a_server_that_waits_for_an_answer_is_deleted_on_both_hosts(cloud):
    server_id = booted(cloud)
    act(cloud, server_id, {"migrate": None}, user="admin")
    cloud.wait_for(server_id, "VERIFY_RESIZE")

    delete(cloud, server_id)

    assert migrations(cloud, instance_uuid=server_id)[0]["status"] == "confirmed"


def test_what_fails_on_the_target_leaves_the_server_as_it_was(cloud):
    server_id = booted(cloud)
    source = host_of(cloud, server_id)
    target = {"h1": "h2", "h2": "h1"}[source]
    cloud.behave(target, json.dumps({"bring": {"fail": {"message": "no luck", "host_at_fault": False}}}))

    act(cloud, server_id, {"migrate": {"host": target}}, user="admin", version="2.56")

    cloud.wait(lambda: migrations(cloud, instance_uuid=server_id)[0]["status"] == "error", "it has failed")
    cloud.wait_for(server_id, "ACTIVE")
    cloud.behave(target, "{}")
    assert host_of(cloud, server_id) == source
    assert server_id in cloud.guests(source) and held(cloud, source) == set()
    delete(cloud, server_id)


@pytest.mark.parametrize(
    ("flavor", "status"),
    [({"disk": 0}, 400), ({"disk": 4}, 400), ({"disk": 5, "vcpus": 1000}, 403)],
    ids=["without a disk", "with a smaller disk", "above the quota"],
)
def test_a_flavor_that_cannot_be_is_refused(cloud, flavor, status):
    server_id = cloud.boot(cloud.picture, flavorRef="2")
    cloud.wait_for(server_id, "ACTIVE")
    body = {"flavor": {"name": f"odd{status}{flavor}", "vcpus": 1, "ram": 512, **flavor}}
    made = cloud.ask("POST", "/flavors", body, user="admin").json["flavor"]["id"]

    act(cloud, server_id, {"resize": {"flavorRef": made}}, status=status)

    assert cloud.server(server_id)["status"] == "ACTIVE"
    delete(cloud, server_id)


def live(cloud, server_id, host=None, status=202):
    body = {"os-migrateLive": {"host": host, "block_migration": "auto"}}
    act(cloud, server_id, body, user="admin", version="2.68", status=status)


def other_than(host):
    return {"h1": "h2", "h2": "h1"}[host]


def boots_of(cloud, host, server_id):
    return json.loads((cloud.folder / "compute" / host / "hypervisor.json").read_text())["guests"][server_id]["boots"]


def test_a_running_server_migrates_live_without_a_boot(cloud):
    server_id = booted(cloud)
    source = host_of(cloud, server_id)

    live(cloud, server_id)

    cloud.wait(lambda: migrations(cloud, instance_uuid=server_id)[0]["status"] == "completed", "it has gone")
    target = other_than(source)
    shown = cloud.wait_for(server_id, "ACTIVE")
    assert (host_of(cloud, server_id), shown["OS-EXT-STS:power_state"]) == (target, 1)
    assert server_id not in cloud.guests(source) | held(cloud, source)
    assert boots_of(cloud, target, server_id) == 1
    delete(cloud, server_id)


def test_a_live_migration_is_seen_and_given_up(cloud):
    server_id = booted(cloud)
    source = host_of(cloud, server_id)
    cloud.behave(source, json.dumps({"migrate_live": {"delay_s": 60}}))

    live(cloud, server_id, other_than(source))

    path = f"/servers/{server_id}/migrations"
    cloud.wait(
        lambda: (
            [one["status"] for one in cloud.ask("GET", path, user="admin", version="2.80").json["migrations"]] == ["running"]
        ),
        "it is on its way",
    )
    (shown,) = cloud.ask("GET", path, user="admin", version="2.80").json["migrations"]
    assert (shown["source_compute"], shown["dest_compute"], shown["server_uuid"]) == (source, other_than(source), server_id)
    assert cloud.ask("GET", f"{path}/{shown['id']}", user="admin", version="2.80").json["migration"] == shown
    assert cloud.server(server_id)["status"] == "MIGRATING"
    force = cloud.ask("POST", f"{path}/{shown['id']}/action", {"force_complete": None}, user="admin", version="2.22")
    assert force.status_code == 202, force.text
    gone = cloud.ask("DELETE", f"{path}/{shown['id']}", user="admin", version="2.24")
    assert gone.status_code == 202, gone.text
    cloud.wait(lambda: migrations(cloud, instance_uuid=server_id)[0]["status"] == "cancelled", "it is given up")
    cloud.behave(source, "{}")
    cloud.wait_for(server_id, "ACTIVE")
    assert host_of(cloud, server_id) == source
    assert server_id in cloud.guests(source) and server_id not in cloud.guests(other_than(source))
    again = cloud.ask("DELETE", f"{path}/{shown['id']}", user="admin", version="2.24")
    assert again.status_code == 400, again.text
    delete(cloud, server_id)


def test_a_live_migration_to_its_own_host_is_refused(cloud):
    server_id = booted(cloud)

    live(cloud, server_id, host_of(cloud, server_id), status=400)

    delete(cloud, server_id)


def test_only_what_a_dead_host_had_is_evacuated(cloud):
    server_id = booted(cloud)
    source = host_of(cloud, server_id)
    act(cloud, server_id, {"evacuate": {}}, user="admin", version="2.68", status=400)
    force = {"forced_down": True, "host": source, "binary": "nova-compute"}
    assert cloud.ask("PUT", "/os-services/force-down", force, user="admin", version="2.11").status_code == 200

    act(cloud, server_id, {"evacuate": {}}, user="admin", version="2.68", status=200)

    cloud.wait(lambda: migrations(cloud, instance_uuid=server_id)[0]["status"] == "done", "it is elsewhere")
    cloud.wait_for(server_id, "ACTIVE")
    assert host_of(cloud, server_id) == other_than(source)
    cloud.wait(lambda: server_id not in cloud.guests(source), "the host that lives after all has removed its copy")
    force["forced_down"] = False
    assert cloud.ask("PUT", "/os-services/force-down", force, user="admin", version="2.11").status_code == 200
    delete(cloud, server_id)
