"""What other services are told: in order, in the transaction of what is told, at least once, and only when it is wanted."""

from __future__ import annotations

import pytest
from functional.cloud import running

from nova_lite import errors
from nova_lite.clock import SimulatedClock
from nova_lite.conductor.differences import operations as differences
from nova_lite.conductor.outbox import PERIOD_S, Outbox, tell_usage
from nova_lite.db import outbox as queries
from nova_lite.db.engine import Database
from nova_lite.db.tables.outbox import outbox
from nova_lite.db.tables.servers import servers


@pytest.fixture
def telling(tmp_path, database_url):
    with running(tmp_path, "h1", "h2", url=database_url, announces=True) as cloud:
        yield cloud


def written(cloud):
    with cloud.database.read() as tx:
        return [dict(row) for row in tx.execute(outbox.select().order_by(outbox.c.id)).mappings()]


def events_of(cloud, server_id, *, updates=False):
    told = [row for row in written(cloud) if row["event_type"].startswith("instance.")]
    rows = [row for row in told if row["payload"]["nova_object.data"]["uuid"] == server_id]
    names = [row["event_type"].removeprefix("instance.") for row in rows]
    return [name for name in names if updates or name != "update"]


class Reader:
    """Takes what is published; breaks after `breaks_after` messages."""

    def __init__(self, breaks_after=None):
        self.got = []
        self.breaks_after = breaks_after

    def publish(self, row):
        if self.breaks_after is not None and len(self.got) >= self.breaks_after:
            raise errors.Unavailable("The broker is away.")
        self.got.append((row["id"], row["message_id"]))

    def close(self):
        pass


def test_a_servers_life_is_told_from_create_to_delete(telling):
    server_id = telling.boot(telling.image())
    telling.wait_for(server_id, "ACTIVE")
    for action, status in (({"os-stop": None}, "SHUTOFF"), ({"os-start": None}, "ACTIVE")):
        telling.ask("POST", f"/servers/{server_id}/action", action)
        telling.wait_for(server_id, status)
        telling.wait(lambda: telling.server(server_id)["OS-EXT-STS:task_state"] is None, "it is settled")
    telling.ask("POST", f"/servers/{server_id}/action", {"reboot": {"type": "HARD"}})
    telling.wait(lambda: "reboot.end" in events_of(telling, server_id), "the reboot is told")
    telling.ask("PUT", f"/servers/{server_id}", {"server": {"name": "other"}})
    telling.ask("DELETE", f"/servers/{server_id}")
    telling.wait_gone(server_id)

    assert events_of(telling, server_id) == [
        *("create.start", "create.end", "power_off.start", "power_off.end", "power_on.start", "power_on.end"),
        *("reboot.start", "reboot.end", "delete.start", "delete.end"),
    ]
    renamed = [row["payload"]["nova_object.data"] for row in written(telling) if row["event_type"] == "instance.update"]
    assert [one["old_display_name"] for one in renamed if one["old_display_name"]] == ["s"]
    states = [one["state_update"]["nova_object.data"] for one in renamed]
    assert (states[0]["old_state"], states[0]["state"]) == ("building", "active")


def test_payloads_have_novas_form(telling):
    server_id = telling.boot(telling.image(), metadata={"a": "b"})
    telling.wait_for(server_id, "ACTIVE")

    (end,) = [row for row in written(telling) if row["event_type"] == "instance.create.end"]

    payload, data = end["payload"], end["payload"]["nova_object.data"]
    assert {key: payload[key] for key in payload if key != "nova_object.data"} == {
        "nova_object.name": "InstanceCreatePayload",
        "nova_object.namespace": "nova",
        "nova_object.version": "1.12",
    }
    assert (data["state"], data["power_state"], data["host"], data["node"]) == ("active", "running", data["host"], data["host"])
    assert data["metadata"] == {"a": "b"}
    assert data["flavor"]["nova_object.data"]["flavorid"] == "1"
    assert data["ip_addresses"][0]["nova_object.name"] == "IpPayload"
    assert data["launched_at"].endswith("Z")
    assert data["request_id"].startswith("req-")
    assert (end["priority"], end["publisher_id"]) == ("INFO", f"nova-compute:{data['host']}")


def test_a_server_that_finds_no_host_is_told_as_an_error(telling):
    for name in telling.hosts:
        telling.ask("PUT", "/os-services/disable", {"host": name, "binary": "nova-compute"}, user="admin")
    server_id = telling.boot(telling.image())
    telling.wait_for(server_id, "ERROR")

    (error,) = [row for row in written(telling) if row["event_type"] == "instance.create.error"]

    assert error["priority"] == "ERROR"
    fault = error["payload"]["nova_object.data"]["fault"]["nova_object.data"]
    assert fault["function_name"] == "choose_hosts"
    assert fault["exception_message"].startswith("No host can take the server: of 2 hosts")


def test_a_request_that_is_refused_tells_nothing(telling):
    image = telling.image()
    before = len(written(telling))

    answer = telling.ask("POST", "/servers", {"server": {"name": "s", "imageRef": image, "flavorRef": "nothing"}})

    assert answer.status_code == 400
    assert len(written(telling)) == before


def test_nothing_is_written_where_nobody_asked_for_it(cloud):
    server_id = cloud.boot(cloud.image())
    cloud.wait_for(server_id, "ACTIVE")

    assert written(cloud) == []


@pytest.fixture
def filled(tmp_path):
    """A database with some notifications, and its clock."""
    from nova_lite.db import migrate

    clock = SimulatedClock()
    database = Database(f"sqlite:///{tmp_path}/o.db", clock)
    migrate.upgrade(database)
    row = {"event_type": "instance.update", "priority": "INFO", "publisher_id": "p", "payload": {}, "created_at": 1.0}
    database.transact(lambda tx: queries.insert(tx, [{**row, "message_id": f"m{number}"} for number in range(120)]))
    yield database, clock
    database.dispose()


def waiting(database):
    with database.read() as tx:
        return queries.standing(tx)[0]


def test_everything_is_sent_in_order_and_then_gone(filled):
    database, _ = filled
    reader = Reader()

    Outbox(database, reader, "c1").look()

    assert [message for _, message in reader.got] == [f"m{number}" for number in range(120)]
    assert waiting(database) == 0


def test_what_the_broker_does_not_take_stays_and_is_sent_later(filled):
    database, _ = filled
    reader = Reader(breaks_after=7)

    with pytest.raises(errors.Unavailable):
        Outbox(database, reader, "c1").look()

    assert waiting(database) == 113
    other = Reader()
    Outbox(database, other, "c2").look()
    assert [message for _, message in reader.got + other.got] == [f"m{number}" for number in range(120)]


def test_one_conductor_sends_at_a_time_and_a_dead_one_is_waited_for(filled):
    database, clock = filled
    database.transact(lambda tx: queries.take(tx, "dead", 50))
    reader = Reader()
    outbox = Outbox(database, reader, "c2")

    outbox.look()
    assert reader.got == []
    clock.now += queries.TAKEN_S + 1
    outbox.look()

    assert len(reader.got) == 120


def test_the_doctor_tells_of_an_outbox_that_nobody_empties(filled):
    database, _ = filled

    with database.read() as tx:
        kind = next(kind for kind in differences.KINDS if kind.name == "stuck_outbox")
        (found,) = kind.find(tx)

    assert found.problem.startswith("120 notifications wait")


def test_usage_is_told_once_an_hour_for_each_server_that_lived(telling):
    database = telling.database
    alive, gone = telling.boot(telling.image()), telling.boot(telling.image())
    for server_id in (alive, gone):
        telling.wait_for(server_id, "ACTIVE")
    assert tell_usage(database) == 0  # the first look begins the count
    telling.ask("DELETE", f"/servers/{gone}")
    telling.wait_gone(gone)

    def an_hour_ago(tx):
        earlier = {"created_at": servers.c.created_at - PERIOD_S, "terminated_at": servers.c.terminated_at - PERIOD_S}
        tx.execute(servers.update().values(earlier))
        mark = queries.mark(tx, "hour")
        queries.move_mark(tx, mark, mark["period_end"] - PERIOD_S, queries.TOLD)

    database.transact(an_hour_ago)

    assert tell_usage(database) == 2
    assert tell_usage(database) == 0
    told = [row["payload"] for row in written(telling) if row["event_type"] == "instance.exists"]
    assert {one["nova_object.data"]["uuid"] for one in told} == {alive, gone}
    assert told[0]["nova_object.name"] == "InstanceExistsPayload"
