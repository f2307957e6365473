"""`nova-lite story` on a cloud to which things happen: each story tells them in order, and no secret."""

from __future__ import annotations

import json
import time

import pytest
from click.testing import CliRunner

from nova_lite.cli.main import command
from nova_lite.db.tables.journal import operations
from nova_lite.inventory import hosts
from nova_lite.model.ids import HostName


@pytest.fixture
def call(cloud):
    config = cloud.folder / "nova-lite.conf"
    config.write_text(
        f"[DEFAULT]\nstate_dir = {cloud.folder}\nrun_dir = {cloud.folder}\n"
        f"[database]\nurl = {cloud.url}\n[compute]\ndriver = fake\n"
    )
    return lambda *words: CliRunner().invoke(command, ["--config-file", str(config), "story", *words])


@pytest.fixture
def tell(call):
    """Give the function that tells stories: of each operation its entries as "kind text", and all of it."""

    def stories(word):
        answer = call(word, "--json")
        assert answer.exit_code == 0, answer.output
        document = json.loads(answer.output)
        assert (document["format"], document["asked"]) == (1, word)
        for one in document["operations"]:
            one["said"] = [f"{entry['kind']} {entry['text']}" for entry in one["entries"]]
        return document["operations"]

    return stories


def settled(cloud, server_id, status):
    cloud.wait_for(server_id, status)
    cloud.wait(lambda: cloud.server(server_id)["OS-EXT-STS:task_state"] is None, "it is settled")


def assert_in_order(said, *expected):
    """Each of `expected`, words that stand in one entry, comes after the one before it."""
    rest = list(said)
    for words in expected:
        while rest and not all(word in rest[0] for word in words.split("|")):
            rest.pop(0)
        assert rest, f"not there, or not in its place: {words}\n" + "\n".join(said)
        rest.pop(0)


def test_a_good_boot_is_told_from_accept_to_end(cloud, tell, call):
    server_id = cloud.boot(cloud.image(b"i" * 5000))
    settled(cloud, server_id, "ACTIVE")
    (home,) = (name for name in cloud.hosts if server_id in cloud.guests(name))

    (boot,) = tell(server_id)

    assert_in_order(
        boot["said"],
        "accepted boot accepted by |request req-",
        "lease taken up by ",
        "step choose_hosts done in ",
        f"schedule 2 hosts seen, ranking |{home}",
        f"claim room claimed on {home}",
        "step create_ports done",
        f"command ensure_guest sent to {home} for start_guest",
        f"report {home} reports start_guest done: worked |fetched 5000 bytes of image",
        "step start_guest done",
        "step mark_active done",
        "ended boot done after",
    )
    assert boot["totals"]["commands"] == boot["totals"]["reports"] == 1
    assert (boot["totals"]["image_bytes"], boot["now"]) == (5000, None)
    assert tell(boot["request_id"])[0]["operation"] == tell(boot["operation"])[0]["operation"] == boot["operation"]
    printed = call(server_id).output
    assert all(entry["text"] in printed for entry in boot["entries"])


def test_an_image_that_the_host_has_is_told(cloud, tell):
    image = cloud.image()
    for host in list(cloud.hosts)[1:]:
        cloud.database.transact(lambda tx, host=host: hosts.queries.update_host(tx, HostName(host), ram_mib_limit=100))
    time.sleep(1.2)  # the scheduler's view is a second old at most
    for name in ("first", "second"):
        server_id = cloud.boot(image, name)
        settled(cloud, server_id, "ACTIVE")

    (boot,) = tell(server_id)

    assert_in_order(boot["said"], "schedule 2 hosts seen, ranking h1; refused: 1 ", "report h1|had the image")
    (schedule,) = (entry for entry in boot["entries"] if entry["kind"] == "schedule")
    assert schedule["details"] == ["h2: lacks memory (asked 128, free 100 MiB)"]


def test_a_bad_first_host_and_the_next_are_told(cloud, tell):
    for host in cloud.hosts:
        fail = {"message": "The disk of this host is broken.", "times": 1}
        cloud.behave(host, json.dumps({"ensure_guest": {"fail": fail}}))
    server_id = cloud.boot(cloud.image())
    cloud.wait(lambda: (cloud.server(server_id) or {}).get("status") in ("ACTIVE", "ERROR"), "it ends")

    (boot,) = tell(server_id)

    bad, second = [entry["host"] for entry in boot["entries"] if entry["kind"] == "claim"][:2]
    assert bad != second
    assert_in_order(
        boot["said"],
        f"claim room claimed on {bad}",
        f"command ensure_guest sent to {bad}",
        f"report {bad} reports start_guest failed: The disk of this host is broken. (virt, the host's fault)",
        "step start_guest given up here|The disk of this host is broken.",
        "step undo of start_guest done",
        "step undo of claim_host done",
        f"claim room claimed on {second}",
        f"command ensure_guest sent to {second}",
    )
    assert f"tried {bad}: The disk of this host is broken." in boot["entries"][-1]["details"]


def test_a_request_that_fits_nowhere_is_told_with_each_refusal(cloud, tell):
    for host in cloud.hosts:
        cloud.database.transact(lambda tx, host=host: hosts.queries.update_host(tx, HostName(host), ram_mib_limit=100))
    time.sleep(1.2)
    server_id = cloud.boot(cloud.image())
    settled(cloud, server_id, "ERROR")

    (boot,) = tell(server_id)

    assert_in_order(boot["said"], "step choose_hosts failed|No host can take the server", "ended boot failed")
    (failed,) = (entry for entry in boot["entries"] if entry["kind"] == "step")
    assert failed["details"] == ["h1: lacks memory", "h2: lacks memory"]
    assert "2 lack memory" in boot["message"]


def test_a_broker_that_was_away_is_told_and_what_is_waited_for_meanwhile(cloud, tell):
    image = cloud.image()
    cloud.broker.away = True
    server_id = cloud.boot(image)
    cloud.wait(lambda: tell(server_id)[0]["now"]["away"] is not None, "the broker is missed")

    now = tell(server_id)[0]["now"]
    assert now["step"] == "choose_hosts"
    assert "not answering: " in now["text"]
    assert 0 < now["deadline_in_s"] <= 60
    cloud.broker.away = False
    settled(cloud, server_id, "ACTIVE")

    (boot,) = tell(server_id)
    assert_in_order(boot["said"], "outage choose_hosts stood still for ", "step choose_hosts done", "ended boot done")


def test_a_delete_during_a_boot_is_told_in_both_stories(cloud, tell):
    for host in cloud.hosts:
        cloud.behave(host, json.dumps({"ensure_guest": {"delay_s": 20}}))
    server_id = cloud.boot(cloud.image())
    cloud.wait(lambda: cloud.server(server_id)["OS-EXT-STS:task_state"] == "spawning", "it spawns")
    cloud.wait(lambda: tell(server_id)[0]["now"]["host"] is not None, "the host is waited for")
    now = tell(server_id)[0]["now"]
    assert f"start_guest: waits for {now['host']}, looks again in " in now["text"]
    asked = cloud.ask("DELETE", f"/servers/{server_id}")
    cloud.wait_gone(server_id)

    boot, delete = tell(server_id)

    request = asked.headers["x-openstack-request-id"]
    assert_in_order(
        boot["said"],
        "command ensure_guest sent to ",
        f"signal delete asked by user {boot['user_id']}, request {request}",
        "step start_guest stopped",
        "command remove_guest sent to |undo of start_guest",
        "step undo of start_guest done",
        "ended boot cancelled",
    )
    assert_in_order(delete["said"], f"accepted delete accepted by |request {request}", "ended delete done")
    assert [one["operation"] for one in tell(request)] == [delete["operation"]]


def test_a_conductor_replaced_in_the_middle_is_told(cloud, tell):
    for host in cloud.hosts:
        cloud.behave(host, json.dumps({"ensure_guest": {"delay_s": 1}}))
    server_id = cloud.boot(cloud.image())
    cloud.wait(lambda: tell(server_id)[0]["now"]["host"] is not None, "the host is waited for")
    cloud.conductor.stop()
    killed = {"lease_owner": "other:77:abc", "lease_number": operations.c.lease_number + 1, "lease_until": 0.0}
    change = operations.update().where(operations.c.subject_id == server_id).values(killed)
    cloud.database.transact(lambda tx: tx.execute(change))  # what a conductor leaves behind that is killed now
    second = cloud.new_conductor()
    second.start()
    try:
        settled(cloud, server_id, "ACTIVE")
    finally:
        second.stop()

    (boot,) = tell(server_id)

    assert_in_order(
        boot["said"],
        "lease taken up by ",
        "takeover taken over by |other:77:abc stopped without giving it back",
        "step start_guest done",
        "ended boot done",
    )


def test_no_secret_comes_out(cloud, tell, call):
    secrets = {"adminPass": "open-sesame-77", "user_data": "c2VjcmV0LXVzZXItZGF0YQ=="}
    for host in cloud.hosts:
        cloud.behave(host, json.dumps({"ensure_guest": {"delay_s": 1}}))
    server_id = cloud.boot(cloud.image(), **secrets, metadata={"key": "hidden-metadata"})
    cloud.wait(lambda: tell(server_id)[0]["now"]["host"] is not None, "the host is waited for")
    during = call(server_id).output + call(server_id, "--json").output
    settled(cloud, server_id, "ACTIVE")

    told = during + call(server_id).output + call(server_id, "--json").output

    tokens = [headers["X-Auth-Token"] for headers in cloud.headers.values()]
    assert tokens
    assert not [secret for secret in (*secrets.values(), "hidden-metadata", "ticket", *tokens) if secret in told]


def test_what_nobody_knows_is_a_clear_error(call):
    answer = call("req-nothing")

    assert answer.exit_code == 1
    assert "No request, server or operation req-nothing is known." in answer.output
