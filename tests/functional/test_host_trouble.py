"""A host that is away, and comes back as it was, with an old ledger, on an empty disk, or with guests that nobody knows."""

from __future__ import annotations

import json
import shutil
import time
import uuid

import pytest
import sqlalchemy as sa

from nova_lite.clock import SimulatedClock
from nova_lite.compute.virt.fake.guests import STATE
from nova_lite.conductor.differences import inventory
from nova_lite.conductor.reconcilers.power_states import PowerStates
from nova_lite.db.engine import Database
from nova_lite.db.tables.inventory import claims, hosts, strangers, tombstones
from nova_lite.db.tables.servers import servers
from nova_lite.model.guest import GuestState, PowerState


def write(cloud, statement):
    cloud.database.transact(lambda tx: tx.execute(statement))


def rows(cloud, query):
    with cloud.database.read() as tx:
        return tx.execute(query).mappings().all()


def settle(cloud, server_id):
    """Wait until nothing goes on, and let the server's row have rested, so that it is compared with what the host says."""
    cloud.wait(lambda: cloud.server(server_id)["OS-EXT-STS:task_state"] is None, "it is settled")
    write(cloud, servers.update().where(servers.c.id == server_id).values(touched_at=servers.c.touched_at - 60))


@pytest.fixture
def server_id(cloud):
    """Give a server that runs on h1."""
    server_id = cloud.boot(cloud.image(), availability_zone="nova")
    cloud.wait_for(server_id, "ACTIVE")
    settle(cloud, server_id)
    return server_id


@pytest.fixture
def host(cloud, server_id):
    """Give the name of the server's host."""
    return cloud.server(server_id, user="admin")["OS-EXT-SRV-ATTR:host"]


def take_away(cloud, host):
    """Stop a host's daemon, as long ago as it takes to notice."""
    cloud.hosts[host].stop()
    write(cloud, hosts.update().where(hosts.c.name == host).values(last_seen_at=hosts.c.last_seen_at - 3600))


def bring_back(cloud, host):
    """Start a host's daemon anew, and wait until it has registered."""
    cloud.hosts[host] = cloud.make_host(host)
    cloud.hosts[host].start()
    cloud.wait(lambda: all(one.up for one in cloud.listed_hosts() if one.name == host), f"{host} is up")


def folder(cloud, host):
    return cloud.folder / "compute" / host


def found(cloud):
    """Give what the doctor says of hosts and guests."""
    with cloud.database.read() as tx:
        return [one for kind in inventory.KINDS for one in kind.find(tx) if one.check in ("guests", "hosts")]


@pytest.fixture(autouse=True)
def ended(cloud):
    """Stop hosts that were started anew."""
    first = dict(cloud.hosts)
    yield
    for name, host in cloud.hosts.items():
        if host is not first[name]:
            host.stop()


def test_servers_of_a_host_that_is_away_stay_active_and_its_state_is_shown(cloud, server_id, host):
    take_away(cloud, host)

    server = cloud.server(server_id, user="admin", version="2.16")
    states = {
        one["hypervisor_hostname"]: one["state"]
        for one in cloud.ask("GET", "/os-hypervisors", user="admin").json["hypervisors"]
    }

    assert (server["status"], server["host_status"]) == ("ACTIVE", "DOWN")
    assert states[host] == "down"


def test_a_delete_while_the_host_is_away_is_done_at_once_and_obeyed_before_any_new_guest(cloud, server_id, host):
    take_away(cloud, host)

    cloud.ask("DELETE", f"/servers/{server_id}")
    cloud.wait_gone(server_id)
    owed = rows(cloud, sa.select(tombstones))
    assert [(row["host"], row["server_id"]) for row in owed] == [(host, server_id)]
    assert server_id in cloud.guests(host)
    assert [one.subject for one in found(cloud)] == [host]
    bring_back(cloud, host)

    cloud.wait(lambda: not rows(cloud, sa.select(tombstones)), "the removal was told")
    assert server_id not in cloud.guests(host)
    assert found(cloud) == []


def test_a_host_that_owes_removals_gets_no_new_server(cloud, server_id, host):
    values = {"server_id": str(uuid.uuid4()), "fence": 1, "turn": 1, "created_at": time.time()}
    cloud.behave(host, json.dumps({"remove_guest": {"fail": {"message": "stuck", "host_at_fault": True}}}))
    write(cloud, tombstones.insert().values(host=host, **values))

    new = cloud.boot(cloud.image())

    cloud.wait_for(new, "ACTIVE")
    assert cloud.server(new, user="admin")["OS-EXT-SRV-ATTR:host"] != host


def test_a_host_with_an_old_ledger_refuses_old_commands_and_doubles_nothing(cloud, server_id, host):
    kept = cloud.folder / "kept"
    kept.mkdir()
    cloud.hosts[host].stop()
    for path in folder(cloud, host).glob("ledger.db*"):
        shutil.copy(path, kept)
    bring_back(cloud, host)
    old = [message for message in cloud.broker.sent if message.method == "ensure_guest" and server_id in str(message.body)]
    cloud.ask("DELETE", f"/servers/{server_id}")
    cloud.wait_gone(server_id)
    cloud.hosts[host].stop()
    for path in folder(cloud, host).glob("ledger.db*"):
        path.unlink()
    for path in kept.iterdir():
        shutil.copy(path, folder(cloud, host))

    bring_back(cloud, host)
    assert old
    for message in old:
        cloud.hosts[host].service.handlers()["ensure_guest"](message.body)

    time.sleep(0.3)  # what would be done would be done by now
    assert cloud.guests(host) == set()


def test_a_host_on_an_empty_disk_is_shown_truthfully_and_nothing_is_made_anew(cloud, server_id, host):
    cloud.hosts[host].stop()
    shutil.rmtree(folder(cloud, host))

    bring_back(cloud, host)

    server = cloud.wait_for(server_id, "SHUTOFF")
    assert server["OS-EXT-STS:power_state"] == PowerState.NOSTATE
    assert cloud.guests(host) == set()
    assert [row["host"] for row in rows(cloud, sa.select(claims))] == [host]
    assert [one.problem for one in found(cloud)] == [f"Host {host} has no guest of server {server_id}."]
    cloud.ask("DELETE", f"/servers/{server_id}")
    cloud.wait_gone(server_id)
    assert found(cloud) == []


def test_a_guest_that_nobody_knows_is_reported_and_never_destroyed(cloud, server_id, host):
    unknown = str(uuid.uuid4())
    cloud.hosts[host].stop()
    state = folder(cloud, host) / STATE
    guests = json.loads(state.read_text())["guests"]
    guests[unknown] = guests[server_id]
    state.write_text(json.dumps({"guests": guests}))

    bring_back(cloud, host)

    cloud.wait(lambda: bool(found(cloud)), "it is reported")
    assert [(one.subject, one.repair) for one in found(cloud)] == [(unknown, None)]
    assert cloud.guests(host) == {server_id, unknown}
    assert cloud.server(server_id)["status"] == "ACTIVE"


class TestLists:
    """What a conductor makes of hosts' lists of guests, with a clock of its own."""

    @pytest.fixture
    def clock(self):
        return SimulatedClock()

    @pytest.fixture
    def power_states(self, cloud, clock):
        cloud.conductor.stop()
        database = Database(cloud.url, clock)
        write(cloud, servers.update().values(touched_at=None))
        yield PowerStates(database)
        database.dispose()

    def test_a_guest_missed_once_may_be_an_old_list(self, cloud, server_id, host, power_states, clock):
        there = [GuestState(server_id=server_id, power_state=PowerState.RUNNING)]
        for guests in ([], there, []):
            power_states.compare(host, guests)
            clock.sleep(15)

        assert cloud.server(server_id)["status"] == "ACTIVE"

        power_states.compare(host, [])
        assert cloud.server(server_id)["status"] == "SHUTOFF"

        power_states.compare(host, there)
        write(cloud, servers.update().values(touched_at=None))
        power_states.compare(host, there)
        assert cloud.server(server_id)["status"] == "ACTIVE"

    def test_a_stranger_that_goes_is_forgotten(self, cloud, server_id, host, power_states):
        unknown = GuestState(server_id=str(uuid.uuid4()), power_state=PowerState.RUNNING)
        there = GuestState(server_id=server_id, power_state=PowerState.RUNNING)

        power_states.compare(host, [there, unknown])
        first = rows(cloud, sa.select(strangers))
        power_states.compare(host, [there])

        assert [(row["host"], row["server_id"]) for row in first] == [(host, unknown.server_id)]
        assert rows(cloud, sa.select(strangers)) == []
