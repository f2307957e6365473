"""A host that fails every build: users get their servers elsewhere, and the host is soon asked no more."""

from __future__ import annotations

import json
import time

from click.testing import CliRunner

from nova_lite.cli.main import command
from nova_lite.db.tables.journal import step_events
from nova_lite.inventory import hosts
from nova_lite.model.host import FAILURES_BORNE
from nova_lite.model.ids import HostName
from nova_lite.scheduler.view import FRESH_S

BAD = json.dumps({"ensure_guest": {"fail": {"message": "no bridge br0", "host_at_fault": True}}})
BUILDS = 12


def of(cloud, name):
    return next(host for host in cloud.listed_hosts() if host.name == name)


def service_of(cloud, name):
    listed = cloud.ask("GET", f"/os-services?host={name}", user="admin", version="2.53").json["services"]
    return listed[0]


def build_until_set_aside(cloud, image):
    for _ in range(BUILDS):
        cloud.wait_for(cloud.boot(image), "ACTIVE")
        if of(cloud, "h1").why_aside:
            return
    raise AssertionError("h1 is still in use")


def backs_of(cloud):
    with cloud.database.read() as tx:
        rows = tx.execute(step_events.select().where(step_events.c.outcome == "back")).mappings().all()
    return len(rows)


def test_a_host_that_fails_every_build_is_set_aside_and_said_so(cloud):
    cloud.behave("h1", BAD)
    image = cloud.image()

    build_until_set_aside(cloud, image)
    before = backs_of(cloud)
    time.sleep(FRESH_S + 0.5)  # the scheduler's view may be so old
    for _ in range(3):
        cloud.wait_for(cloud.boot(image), "ACTIVE")

    assert before == FAILURES_BORNE
    assert backs_of(cloud) == before  # nobody was sent there any more
    shown = service_of(cloud, "h1")
    assert (shown["status"], shown["state"]) == ("disabled", "up")
    assert shown["disabled_reason"] == "AUTO: 3 builds in a row failed; set aside for 5 more min; last: no bridge br0"


def test_an_operator_brings_a_mended_host_back(cloud):
    cloud.behave("h1", BAD)
    build_until_set_aside(cloud, cloud.image())
    cloud.behave("h1", "{}")

    answer = cloud.ask(
        "PUT", f"/os-services/{service_of(cloud, 'h1')['id']}", {"status": "enabled"}, user="admin", version="2.53"
    )

    assert answer.status_code == 200, answer.text
    assert (of(cloud, "h1").why_aside, of(cloud, "h1").failed_in_row) == (None, 0)
    assert service_of(cloud, "h1")["status"] == "enabled"


def test_an_image_that_fails_everywhere_sets_no_host_aside(cloud):
    for name in cloud.hosts:
        cloud.behave(name, BAD)
    image = cloud.image()

    for _ in range(FAILURES_BORNE + 1):
        cloud.wait_for(cloud.boot(image), "ERROR")

    assert [host.failed_in_row for host in cloud.listed_hosts()] == [0, 0]


def nova_lite(cloud, *words):
    config = cloud.folder / "nova-lite.conf"
    config.write_text(
        f"[DEFAULT]\nstate_dir = {cloud.folder}\nrun_dir = {cloud.folder}\n"
        f"[database]\nurl = {cloud.url}\n[compute]\ndriver = fake\n"
    )
    return CliRunner().invoke(command, ["--config-file", str(config), *words]).output


def test_the_operators_commands_say_that_a_host_is_set_aside_and_bring_it_back(cloud):
    why = "3 builds in a row failed; set aside for 5 more min; last: no bridge br0"
    for _ in range(FAILURES_BORNE):
        cloud.database.transact(lambda tx: hosts.build_failed(tx, HostName("h1"), "no bridge br0"))

    assert f"Host h1: {why}." in nova_lite(cloud, "doctor", "--json")
    assert why in " ".join(nova_lite(cloud, "status").split())
    listed = json.loads(nova_lite(cloud, "host", "list", "--json"))
    assert [host["set_aside"] for host in listed] == [why, None]

    nova_lite(cloud, "host", "enable", "h1")

    assert of(cloud, "h1").why_aside is None
