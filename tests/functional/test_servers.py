"""The life of servers through all daemons: what users see, and what is left when it ends."""

from __future__ import annotations

import json
import time

import pytest

from nova_lite.db.tables.inventory import claims
from nova_lite.db.tables.networks import ports
from nova_lite.inventory import hosts
from nova_lite.model.ids import HostName
from nova_lite.quota import usage
from nova_lite.servers import records


def everything_left(cloud):
    """List what servers own anywhere."""
    with cloud.database.read() as tx:
        used = {host.name: host.used for host in hosts.list_hosts(tx) if host.used.ram_mib}
        return {
            "claims": len(tx.execute(claims.select()).all()),
            "ports": len(tx.execute(ports.select()).all()),
            "used": used,
            "guests": sum(len(cloud.guests(name)) for name in cloud.hosts),
        }


NOTHING = {"claims": 0, "ports": 0, "used": {}, "guests": 0}


def project_of(cloud, server_id):
    return cloud.server(server_id)["tenant_id"]


def instances_used(cloud, project_id):
    with cloud.database.read() as tx:
        return usage.used_by(tx, project_id)["instances"]


def act(cloud, server_id, action):
    answer = cloud.ask("POST", f"/servers/{server_id}/action", action)
    assert answer.status_code in (200, 202), answer.text
    return answer


def test_from_boot_to_delete_nothing_is_left(cloud):
    server_id = cloud.boot(cloud.image())
    shown = cloud.wait_for(server_id, "ACTIVE")
    project_id = project_of(cloud, server_id)
    assert shown["addresses"]["flat"][0]["addr"].startswith("10.99.0.")
    assert instances_used(cloud, project_id) == 1

    assert cloud.ask("DELETE", f"/servers/{server_id}").status_code == 204
    cloud.wait_gone(server_id)

    assert everything_left(cloud) == NOTHING
    assert instances_used(cloud, project_id) == 0


def test_stop_start_and_both_reboots(cloud):
    server_id = cloud.boot(cloud.image())
    cloud.wait_for(server_id, "ACTIVE")

    act(cloud, server_id, {"os-stop": None})
    assert cloud.wait_for(server_id, "SHUTOFF")["OS-EXT-STS:power_state"] == 4
    act(cloud, server_id, {"os-start": None})
    cloud.wait_for(server_id, "ACTIVE")
    for kind in ("SOFT", "HARD"):
        act(cloud, server_id, {"reboot": {"type": kind}})
        cloud.wait_for(server_id, "ACTIVE")

    actions = cloud.ask("GET", f"/servers/{server_id}/os-instance-actions").json["instanceActions"]
    assert [action["action"] for action in actions] == ["reboot", "reboot", "start", "stop", "create"]
    console = act(cloud, server_id, {"os-getConsoleOutput": {"length": 2}}).json["output"]
    assert "login:" in console


def test_what_the_state_does_not_allow_is_refused(cloud):
    server_id = cloud.boot(cloud.image())
    cloud.wait_for(server_id, "ACTIVE")

    answer = cloud.ask("POST", f"/servers/{server_id}/action", {"os-start": None})

    assert answer.status_code == 409
    assert "conflictingRequest" in answer.json


def test_a_server_deleted_while_it_boots_leaves_nothing(cloud):
    for host in cloud.hosts:
        cloud.behave(host, json.dumps({"ensure_guest": {"delay_s": 20}}))
    server_id = cloud.boot(cloud.image())
    cloud.wait(lambda: cloud.server(server_id)["OS-EXT-STS:task_state"] == "spawning", "it spawns")

    assert cloud.ask("DELETE", f"/servers/{server_id}").status_code == 204
    assert cloud.ask("DELETE", f"/servers/{server_id}").status_code in (204, 404)
    cloud.wait_gone(server_id)

    assert everything_left(cloud) == NOTHING
    with cloud.database.read() as tx:
        last = records.get(tx, server_id, include_deleted=True)
    assert last.fault is None, "a client that waited for the delete could see ERROR"


def test_a_host_at_fault_is_left_for_another(cloud):
    broken, sound = sorted(cloud.hosts)
    fail = {"fail": {"message": "The disk of this host is broken.", "host_at_fault": True}}
    cloud.behave(broken, json.dumps({"ensure_guest": fail}))
    image = cloud.image()

    ids = [cloud.boot(image, f"s{number}") for number in range(4)]

    for server_id in ids:
        cloud.wait_for(server_id, "ACTIVE")
    assert cloud.guests(broken) == set()
    assert cloud.guests(sound) == set(ids)


def test_when_every_host_was_at_fault_the_last_reason_is_told(cloud):
    for host in cloud.hosts:
        cloud.behave(host, json.dumps({"ensure_guest": {"fail": {"message": f"The disk of {host} is broken."}}}))

    server_id = cloud.boot(cloud.image())

    shown = cloud.wait_for(server_id, "ERROR")
    assert shown["fault"]["message"].startswith(
        "No host can take the server: of 2 hosts 2 were tried and failed; the last attempt:"
    )
    assert "is broken." in shown["fault"]["message"]
    assert everything_left(cloud) == NOTHING


def test_a_request_that_no_host_can_cure_ends_in_a_readable_fault(cloud):
    for host in cloud.hosts:
        fail = {"fail": {"message": "The image is no bootable disk.", "host_at_fault": False}}
        cloud.behave(host, json.dumps({"ensure_guest": fail}))

    server_id = cloud.boot(cloud.image())

    shown = cloud.wait_for(server_id, "ERROR")
    assert shown["fault"]["message"] == "The image is no bootable disk."
    assert everything_left(cloud) == NOTHING


def test_no_room_is_explained_in_one_sentence(cloud):
    for host in cloud.hosts:
        with cloud.database.engine.connect():
            pass
        cloud.database.transact(lambda tx, host=host: hosts.queries.update_host(tx, HostName(host), ram_mib_limit=100))

    server_id = cloud.boot(cloud.image())

    shown = cloud.wait_for(server_id, "ERROR")
    expected = "No host can take the server: of 2 hosts 2 lack memory (128 MiB asked, 100 free at most)."
    assert shown["fault"]["message"] == expected


@pytest.mark.parametrize("more", [{}, {"min_count": 2}])
def test_hosts_that_are_not_heard_yet_after_an_outage_are_waited_for(cloud, more):
    image = cloud.image()
    for host in cloud.hosts.values():
        host.stop()
    table = hosts.queries.hosts
    cloud.database.transact(lambda tx: tx.execute(table.update().values(last_seen_at=table.c.last_seen_at - 100)))
    time.sleep(1.1)  # the scheduler's view is a second old at most

    cloud.boot(image, **more)
    time.sleep(1.0)
    shown = cloud.ask("GET", "/servers/detail").json["servers"]
    assert {one["status"] for one in shown} == {"BUILD"}
    for name in cloud.hosts:
        cloud.hosts[name] = cloud.make_host(name)
        cloud.hosts[name].start()

    for one in shown:
        cloud.wait_for(one["id"], "ACTIVE")
    for host in cloud.hosts.values():
        host.stop()


def test_several_at_once_are_all_made_or_none(cloud):
    image = cloud.image()
    body = {"name": "many", "imageRef": image, "flavorRef": "1", "min_count": 3, "max_count": 3}

    answer = cloud.ask("POST", "/servers", {"server": body})
    assert answer.status_code == 202, answer.text
    found = cloud.ask("GET", "/servers?name=many").json["servers"]
    assert len(found) == 3
    for server in found:
        cloud.wait_for(server["id"], "ACTIVE")

    for host in cloud.hosts:
        cloud.database.transact(lambda tx, host=host: hosts.queries.update_host(tx, HostName(host), ram_mib_limit=256))
    cloud.ask("POST", "/servers", {"server": body | {"name": "crowd"}})
    for server in cloud.ask("GET", "/servers?name=crowd").json["servers"]:
        fault = cloud.wait_for(server["id"], "ERROR")["fault"]
        assert fault["message"].startswith("Only ") or "No host can take the server" in fault["message"]
    assert everything_left(cloud)["claims"] == 3


def test_a_repeated_request_with_its_key_makes_one_server(cloud):
    image = cloud.image()
    body = {"server": {"name": "once", "imageRef": image, "flavorRef": "1"}}
    headers = {**cloud.log_in("demo"), "Idempotency-Key": "k1"}

    ids = set()
    for _ in range(3):
        answer = cloud.client.simulate_post("/compute/v2.1/servers", json=body, headers=headers)
        assert answer.status_code == 202, answer.text
        ids.add(answer.json["server"]["id"])

    assert len(ids) == 1
    other = {"server": {**body["server"], "name": "other"}}
    assert cloud.client.simulate_post("/compute/v2.1/servers", json=other, headers=headers).status_code == 422


def test_the_quota_holds(cloud):
    image = cloud.image()
    for number in range(10):
        cloud.boot(image, f"s{number}")

    answer = cloud.ask("POST", "/servers", {"server": {"name": "one more", "imageRef": image, "flavorRef": "1"}})

    assert answer.status_code == 403
    assert "instances" in answer.json["forbidden"]["message"]


def test_lost_duplicated_and_late_messages_are_only_delay(cloud):
    from nova_lite.rpc.local import Fate

    seen: dict[str, int] = {}

    def fate(letter):
        seen[letter.method] = seen.get(letter.method, 0) + 1
        if letter.method == "report" and seen["report"] == 1:
            return Fate(copies=0)  # the host repeats it after 2 s
        return Fate(copies=2) if letter.method in ("ensure_guest", "report", "remove_guest", "ring") else Fate()

    cloud.broker.fate = fate
    server_id = cloud.boot(cloud.image())
    cloud.wait_for(server_id, "ACTIVE")
    assert len(cloud.guests("h1") | cloud.guests("h2")) == 1

    cloud.ask("DELETE", f"/servers/{server_id}")
    cloud.wait_gone(server_id)
    assert everything_left(cloud) == NOTHING


def test_a_host_that_restarts_while_it_builds_finishes_the_guest(cloud):
    for host in cloud.hosts:
        cloud.behave(host, json.dumps({"ensure_guest": {"delay_s": 1.5}}))
    server_id = cloud.boot(cloud.image())
    cloud.wait(lambda: cloud.server(server_id)["OS-EXT-STS:task_state"] == "spawning", "it spawns")

    for name, host in list(cloud.hosts.items()):
        host.stop()
        cloud.hosts[name] = cloud.make_host(name)
        cloud.hosts[name].start()

    cloud.wait_for(server_id, "ACTIVE")
    assert len(cloud.guests("h1") | cloud.guests("h2")) == 1
    for host in cloud.hosts.values():
        host.stop()


def test_a_server_on_a_dead_host_can_be_deleted_and_is_removed_when_it_returns(cloud):
    server_id = cloud.boot(cloud.image())
    cloud.wait_for(server_id, "ACTIVE")
    home = next(name for name in cloud.hosts if server_id in cloud.guests(name))
    cloud.hosts[home].stop()
    cloud.database.transact(lambda tx: hosts.set_forced_down(tx, HostName(home), forced_down=True))

    cloud.ask("DELETE", f"/servers/{server_id}")
    cloud.wait_gone(server_id)
    assert server_id in cloud.guests(home)

    cloud.database.transact(lambda tx: hosts.set_forced_down(tx, HostName(home), forced_down=False))
    cloud.hosts[home] = cloud.make_host(home)
    cloud.hosts[home].start()
    cloud.wait(lambda: server_id not in cloud.guests(home), "the guest is removed")
    cloud.wait(lambda: all(host.tombstones == 0 for host in cloud.listed_hosts()), "nothing is owed")
    cloud.hosts[home].stop()
