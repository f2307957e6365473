"""Hosts that are emptied for work on them, with all daemons of the cloud: what the operator is told, and where servers go."""

from __future__ import annotations

import json
import threading

import pytest
from click.testing import CliRunner
from functional.cloud import running

from nova_lite.cli import host_drain
from nova_lite.cli.main import command
from nova_lite.db.tables.servers import servers
from nova_lite.model.ids import HostName
from nova_lite.model.server import ServerState
from nova_lite.workflows.desk import Desk
from nova_lite.workflows.drain import Drain, How


@pytest.fixture
def cloud(tmp_path):
    with running(tmp_path, "h1", "h2", "h3", "h4") as cloud:
        cloud.picture = cloud.image()
        config = tmp_path / "nova-lite.conf"
        folders = f"state_dir = {tmp_path}\nrun_dir = {tmp_path}\n"
        config.write_text(f"[DEFAULT]\n{folders}[database]\nurl = {cloud.url}\n[compute]\ndriver = fake\n")
        cloud.config = config
        yield cloud


def call(cloud, *arguments):
    return CliRunner().invoke(command, ["--config-file", str(cloud.config), "host", *arguments])


def told(answer):
    return json.loads(answer.stdout)


def on(cloud, host, *, state="ACTIVE"):
    """Give a server on one host, in one state."""
    server_id = cloud.boot(cloud.picture)
    cloud.wait_for(server_id, "ACTIVE")
    if host_of(cloud, server_id) != host:
        body = {"os-migrateLive": {"host": host, "block_migration": "auto"}}
        assert cloud.ask("POST", f"/servers/{server_id}/action", body, user="admin", version="2.25").status_code == 202
        cloud.wait(lambda: host_of(cloud, server_id) == host, f"{server_id} is on {host}")
        cloud.wait(lambda: cloud.server(server_id)["OS-EXT-STS:task_state"] is None, "it rests")
    if state == "SHUTOFF":
        cloud.ask("POST", f"/servers/{server_id}/action", {"os-stop": None})
        cloud.wait_for(server_id, "SHUTOFF")
    return server_id


def write_state(cloud, server_id, state):
    change = servers.update().where(servers.c.id == server_id).values(state=state.value)
    cloud.database.transact(lambda tx: tx.execute(change))


def host_of(cloud, server_id):
    return cloud.server(server_id, user="admin")["OS-EXT-SRV-ATTR:host"]


def shown_service(cloud, host):
    found = cloud.ask("GET", f"/os-services?host={host}&binary=nova-compute", user="admin").json["services"]
    return found[0]


def drain_of(cloud, host, **options):
    return Drain(Desk(database=cloud.database, ring=lambda _: None), HostName(host), **options)


def test_two_hosts_are_drained_of_a_mix_and_what_cannot_move_is_told_and_left(cloud):
    live, cold, stuck = on(cloud, "h1"), on(cloud, "h1", state="SHUTOFF"), on(cloud, "h1")
    other_live, other_cold = on(cloud, "h2"), on(cloud, "h2", state="SHUTOFF")
    write_state(cloud, stuck, ServerState.RESCUED)
    answers = {}

    def drain(host):
        answers[host] = call(cloud, "drain", host, "--reason", "new disks", "--json", "--timeout", "40")

    both = [threading.Thread(target=host_drain.follow, args=(drain_of(cloud, "h2"), 40, lambda line: None))]
    drain_of(cloud, "h2").begin("its fan")
    for thread in both:
        thread.start()
    drain("h1")
    for thread in both:
        thread.join(45)

    assert answers["h1"].exit_code == 1
    first = told(answers["h1"])
    assert set(first["moved"]) == {live, cold}
    assert set(first["moved"].values()) <= {"h3", "h4"}
    assert [(one["server"], one["how"]) for one in first["left"]] == [(stuck, "stays")]
    assert "unrescue" in first["left"][0]["why"]
    assert cloud.guests("h1") == {stuck} and cloud.guests("h2") == set()
    assert {host_of(cloud, one) for one in (live, cold, other_live, other_cold)} <= {"h3", "h4"}
    assert [cloud.server(one)["status"] for one in (live, cold, other_live, other_cold)] == ["ACTIVE", "SHUTOFF"] * 2
    assert host_of(cloud, stuck) == "h1"
    assert (shown_service(cloud, "h1")["status"], shown_service(cloud, "h1")["disabled_reason"]) == (
        "disabled",
        "maintenance: new disks",
    )
    second = call(cloud, "drain", "h2", "--json")
    assert (second.exit_code, told(second)["empty"]) == (0, True)
    states = {one["name"]: one for one in told(call(cloud, "list", "--json"))}
    assert states["h2"]["maintenance"] and not states["h2"]["enabled"]
    assert "maintenance (empty)" in told(call(cloud, "show", "h2", "--json"))["state"]
    assert told(call(cloud, "show", "h1", "--json"))["servers"][0]["server"] == stuck


def test_a_dry_run_changes_nothing_and_says_where_each_would_go(cloud):
    live, cold, stuck = on(cloud, "h1"), on(cloud, "h1", state="SHUTOFF"), on(cloud, "h1")
    write_state(cloud, stuck, ServerState.SUSPENDED)

    answer = call(cloud, "drain", "h1", "--dry-run", "--json")

    assert answer.exit_code == 1
    foreseen = {one["server"]: one for one in told(answer)["servers"]}
    assert [foreseen[one]["how"] for one in (live, cold, stuck)] == ["live", "cold", "stays"]
    assert foreseen[live]["to"] in ("h2", "h3", "h4") and foreseen[stuck]["to"] is None
    assert shown_service(cloud, "h1")["status"] == "enabled"
    assert cloud.guests("h1") == {live, cold, stuck}
    table = call(cloud, "drain", "h1", "--dry-run").output
    assert "If h1 were drained now" in table and "stays" in table


def test_a_dry_run_says_when_the_others_have_no_room(cloud):
    server_id = on(cloud, "h1")
    for host in ("h2", "h3", "h4"):
        call(cloud, "disable", host)

    (one,) = told(call(cloud, "drain", "h1", "--dry-run", "--json"))["servers"]

    assert (one["server"], one["how"], one["to"]) == (server_id, "stays", None)
    assert "3 are disabled" in one["why"]


def test_a_drain_that_was_interrupted_is_taken_up_by_another(cloud):
    ids = {on(cloud, "h1"), on(cloud, "h1", state="SHUTOFF"), on(cloud, "h1")}
    cut = drain_of(cloud, "h1", at_once=1)
    cut.begin()
    began = cut.advance()

    standing = host_drain.follow(drain_of(cloud, "h1"), 40, lambda line: None)

    assert sum(guest.how is How.MOVES for guest in began.guests) <= 1
    assert (standing.guests, standing.over) == ((), True)
    assert cloud.guests("h1") == set()
    assert {cloud.server(one)["status"] for one in ids} == {"ACTIVE", "SHUTOFF"}


def test_no_more_servers_move_at_once_than_was_said(cloud):
    ids = [on(cloud, "h1") for _ in range(3)]
    cloud.behave("h1", json.dumps({"migrate_live": {"delay_s": 60}}))
    drain = drain_of(cloud, "h1", at_once=2)
    drain.begin()

    drain.advance()
    standing = drain.advance()

    assert sorted(guest.how for guest in standing.guests) == [How.LIVE, How.MOVES, How.MOVES]
    assert not standing.over
    cloud.behave("h1", "{}")
    assert len(ids) == len(standing.guests)


def test_a_cold_move_of_a_drain_that_went_away_is_confirmed_by_a_conductor(cloud):
    server_id = on(cloud, "h1", state="SHUTOFF")
    drain = drain_of(cloud, "h1")
    drain.begin()
    drain.advance()

    cloud.wait(lambda: (cloud.server(server_id) or {}).get("status") == "VERIFY_RESIZE", "it has moved")
    cloud.wait_for(server_id, "SHUTOFF")

    assert host_of(cloud, server_id) != "h1"
    with cloud.database.read() as tx:
        assert host_drain.foresee(tx, HostName("h1")) == []


def test_what_fails_to_move_live_stays_with_the_reason_or_moves_cold_when_told_so(cloud):
    server_id = on(cloud, "h1")
    cloud.behave("h1", json.dumps({"migrate_live": {"fail": {"message": "no luck", "host_at_fault": False}}}))

    said = []
    standing = host_drain.follow(drain_of(cloud, "h1"), 30, said.append)
    (guest,) = standing.guests
    assert (guest.server.id, guest.how) == (server_id, How.STAYS)
    assert "no luck" in guest.why
    assert any("stays: " in line for line in said)
    cloud.wait_for(server_id, "ACTIVE")

    standing = host_drain.follow(drain_of(cloud, "h1", cold=True), 30, said.append)

    assert standing.guests == ()
    assert host_of(cloud, server_id) != "h1"
    assert cloud.wait_for(server_id, "ACTIVE")


def test_a_users_resize_that_waits_is_not_answered_for_its_owner(cloud):
    server_id = on(cloud, "h1")
    cloud.ask("POST", f"/servers/{server_id}/action", {"migrate": {"host": "h2"}}, user="admin", version="2.56")
    cloud.wait_for(server_id, "VERIFY_RESIZE")

    for host in ("h1", "h2"):
        (guest,) = host_drain.follow(drain_of(cloud, host), 5, lambda line: None).guests
        assert (guest.server.id, guest.how) == (server_id, How.STAYS)
        assert "confirm" in guest.why
    assert cloud.server(server_id)["status"] == "VERIFY_RESIZE"


def test_undrain_lets_the_host_take_servers_again_and_a_second_drain_keeps_the_time_and_the_reason(cloud):
    assert call(cloud, "drain", "h1", "--reason", "its fan").exit_code == 0
    since = told(call(cloud, "show", "h1", "--json"))["maintenance_since"]
    assert call(cloud, "drain", "h1").exit_code == 0
    again = told(call(cloud, "show", "h1", "--json"))
    assert (again["maintenance_since"], again["disabled_reason"]) == (since, "maintenance: its fan")

    answer = call(cloud, "undrain", "h1")

    assert answer.exit_code == 0
    after = told(call(cloud, "show", "h1", "--json"))
    assert (after["state"], after["maintenance_since"], after["disabled_reason"]) == ("up", None, None)
    assert shown_service(cloud, "h1")["status"] == "enabled"


def test_enabling_the_service_by_the_api_ends_the_maintenance(cloud):
    drain_of(cloud, "h1").begin("x" * 400)
    assert len(shown_service(cloud, "h1")["disabled_reason"]) == 255

    cloud.ask("PUT", "/os-services/enable", {"host": "h1", "binary": "nova-compute"}, user="admin")

    assert told(call(cloud, "show", "h1", "--json"))["maintenance_since"] is None


def test_a_host_that_nobody_knows_is_named(cloud):
    for words in (("drain", "h9"), ("drain", "h9", "--dry-run"), ("undrain", "h9"), ("show", "h9")):
        answer = call(cloud, *words)
        assert answer.exit_code == 1 and "There is no host h9." in answer.output
