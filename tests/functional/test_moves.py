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
