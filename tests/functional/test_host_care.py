"""Hosts that reboot, fill up or hang, and guests that change behind our back, with all daemons of the cloud."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa
from functional.cloud import running

from nova_lite.compute.boots import Boots
from nova_lite.conductor.differences import inventory
from nova_lite.db.tables.inventory import hosts
from nova_lite.db.tables.servers import servers
from nova_lite.model.guest import PowerState


@pytest.fixture
def cloud(tmp_path):
    with running(tmp_path, "h1", "h2") as cloud:
        cloud.picture = cloud.image()
        first = dict(cloud.hosts)
        yield cloud
        for name, host in cloud.hosts.items():
            if host is not first[name]:
                host.stop()


def write(cloud, statement):
    cloud.database.transact(lambda tx: tx.execute(statement))


def booted(cloud):
    """Give a server that has run for a while, and its host."""
    server_id = cloud.boot(cloud.picture)
    cloud.wait_for(server_id, "ACTIVE")
    cloud.wait(lambda: cloud.server(server_id)["OS-EXT-STS:task_state"] is None, "it is settled")
    write(cloud, servers.update().where(servers.c.id == server_id).values(touched_at=servers.c.touched_at - 60))
    return server_id, cloud.server(server_id, user="admin")["OS-EXT-SRV-ATTR:host"]


def guest_of(cloud, host, server_id):
    return json.loads((cloud.folder / "compute" / host / "hypervisor.json").read_text())["guests"][server_id]


def power_fails(cloud, host):
    """Stop a host's daemon without a word, and turn its guests off."""
    cloud.hosts[host].stop()
    path = cloud.folder / "compute" / host / "hypervisor.json"
    kept = json.loads(path.read_text())
    for guest in kept["guests"].values():
        guest["power_state"] = PowerState.SHUTDOWN.value
    path.write_text(json.dumps(kept))


def start_host(cloud, host, boot=None):
    """Start a host's daemon anew, in this boot of its machine; None: it does not care for boots."""
    more = {"boots": Boots(cloud.folder / "compute" / host, lambda: boot)} if boot else {}
    cloud.hosts[host] = cloud.make_host(host, **more)
    cloud.hosts[host].start()


def starts(cloud, server_id):
    path = f"/servers/{server_id}/os-instance-actions"
    return [one["action"] for one in cloud.ask("GET", path).json["instanceActions"]].count("start")


def findings(cloud):
    with cloud.database.read() as tx:
        return [one for kind in inventory.KINDS for one in kind.find(tx) if one.check == "guests"]


def test_after_a_reboot_the_guests_of_active_servers_are_started_once_where_that_is_wanted(cloud):
    server_id, host = booted(cloud)
    cloud.hosts[host].stop()
    start_host(cloud, host, "boot-1")  # the first start with the option: nothing is known of boots before
    cloud.wait((cloud.folder / "compute" / host / "boot").exists, "it is welcomed")
    assert starts(cloud, server_id) == 0

    power_fails(cloud, host)
    start_host(cloud, host, "boot-2")

    cloud.wait(lambda: starts(cloud, server_id) == 1, "a start is begun")
    cloud.wait(lambda: guest_of(cloud, host, server_id)["power_state"] == PowerState.RUNNING, "it runs")
    server = cloud.wait_for(server_id, "ACTIVE")
    cloud.wait(lambda: cloud.server(server_id)["OS-EXT-STS:task_state"] is None, "it is settled")
    assert server["status"] == "ACTIVE"
    assert guest_of(cloud, host, server_id)["boots"] == 2

    cloud.hosts[host].stop()
    start_host(cloud, host, "boot-2")
    cloud.wait(lambda: cloud.listed_hosts()[0].up, "it is up")
    assert starts(cloud, server_id) == 1


def test_after_a_reboot_what_its_owner_stopped_stays_off(cloud):
    server_id, host = booted(cloud)
    cloud.hosts[host].stop()
    start_host(cloud, host, "boot-1")
    cloud.wait((cloud.folder / "compute" / host / "boot").exists, "it is welcomed")
    cloud.ask("POST", f"/servers/{server_id}/action", {"os-stop": None})
    cloud.wait_for(server_id, "SHUTOFF")

    power_fails(cloud, host)
    start_host(cloud, host, "boot-2")

    mark = cloud.folder / "compute" / host / "boot"
    cloud.wait(lambda: mark.read_text() == "boot-2", "it is welcomed")
    assert starts(cloud, server_id) == 0
    assert cloud.server(server_id)["status"] == "SHUTOFF"


def test_after_a_reboot_guests_are_shown_as_off_where_nothing_else_is_said(cloud):
    server_id, host = booted(cloud)

    power_fails(cloud, host)
    start_host(cloud, host)

    server = cloud.wait_for(server_id, "SHUTOFF")
    assert server["OS-EXT-STS:power_state"] == PowerState.SHUTDOWN
    assert starts(cloud, server_id) == 0


@pytest.mark.parametrize(
    ("power", "status"), [(PowerState.PAUSED, "PAUSED"), (PowerState.SHUTDOWN, "SHUTOFF"), (PowerState.CRASHED, "SHUTOFF")]
)
def test_a_guest_that_somebody_changed_on_its_host_is_shown_as_it_is(cloud, power, status):
    server_id, host = booted(cloud)

    cloud.hosts[host]._doors.driver.crash(server_id, power)

    assert cloud.wait_for(server_id, status)["OS-EXT-STS:power_state"] == power
    said = [one.problem for one in findings(cloud)]
    assert said == ([f"The guest of server {server_id} crashed on host {host}; it is shown as off."] if power == 6 else [])


def test_of_a_server_in_a_state_that_is_not_its_guests_the_power_is_shown_as_it_is(cloud):
    server_id, host = booted(cloud)
    write(cloud, servers.update().where(servers.c.id == server_id).values(state="rescued"))

    cloud.hosts[host]._doors.driver.crash(server_id, PowerState.SHUTDOWN)

    cloud.wait(lambda: cloud.server(server_id)["OS-EXT-STS:power_state"] == PowerState.SHUTDOWN, "it is off")
    assert cloud.server(server_id)["OS-EXT-STS:vm_state"] == "rescued"


def test_a_host_without_room_on_its_disk_gets_no_servers_and_the_refusal_says_so(cloud):
    for host in ("h1", "h2"):
        cloud.behave(host, json.dumps({"facts": {"short_of": "disk"}}))
        cloud.hosts[host].monitor.hurry("beat")
    cloud.wait(lambda: all(one.facts.short_of == "disk" for one in cloud.listed_hosts()), "the hosts have said it")

    server_id = cloud.boot(cloud.picture)

    fault = cloud.wait_for(server_id, "ERROR")["fault"]["message"]
    assert "2 are short of disk" in fault
    cloud.behave("h2", "{}")
    cloud.hosts["h2"].monitor.hurry("beat")
    cloud.wait(lambda: any(not one.facts.short_of for one in cloud.listed_hosts()), "one has room again")
    again = cloud.boot(cloud.picture)
    cloud.wait_for(again, "ACTIVE")
    assert cloud.server(again, user="admin")["OS-EXT-SRV-ATTR:host"] == "h2"


def test_a_host_whose_disk_fills_while_it_builds_is_left_for_another(cloud):
    full = {"fail": {"message": "The host's disk is full.", "code": "insufficient_storage", "host_at_fault": True}}
    cloud.behave("h1", json.dumps({"ensure_guest": full}))

    ids = [cloud.boot(cloud.picture) for _ in range(3)]

    for one in ids:
        cloud.wait_for(one, "ACTIVE")
        assert cloud.server(one, user="admin")["OS-EXT-SRV-ATTR:host"] == "h2"


def test_a_host_whose_hypervisor_hangs_falls_silent_and_others_take_the_servers(cloud):
    cloud.behave("h1", json.dumps({"list_guests": {"delay_s": 600}, "facts": {}}))
    cloud.hosts["h1"].monitor.hurry("beat")
    seen = sa.select(hosts.c.last_seen_at).where(hosts.c.name == "h1")
    write(cloud, hosts.update().where(hosts.c.name == "h1").values(last_seen_at=hosts.c.last_seen_at - 41))
    with cloud.database.read() as tx:
        before = tx.execute(seen).scalar_one()

    ids = [cloud.boot(cloud.picture) for _ in range(3)]

    for one in ids:
        cloud.wait_for(one, "ACTIVE")
        assert cloud.server(one, user="admin")["OS-EXT-SRV-ATTR:host"] == "h2"
    with cloud.database.read() as tx:
        assert tx.execute(seen).scalar_one() == before  # not a word since
    states = {
        one["host"]: one["state"] for one in cloud.ask("GET", "/os-services?binary=nova-compute", user="admin").json["services"]
    }
    assert states == {"h1": "down", "h2": "up"}
    cloud.behave("h1", "{}")
