"""`nova-lite doctor` on a cloud that works, and on one whose books are wrong."""

from __future__ import annotations

import json
import time
import uuid

import pytest
from click.testing import CliRunner

from nova_lite.cli.main import command
from nova_lite.db.tables.inventory import claims, hosts, tombstones
from nova_lite.db.tables.journal import operations
from nova_lite.db.tables.networks import ports
from nova_lite.db.tables.quota import quota_usage
from nova_lite.db.tables.servers import servers

NOT_HERE = {"daemons", "broker"}  # this cloud is one process with a broker of its own


@pytest.fixture
def examine(cloud):
    """Give the function that calls the doctor: what it finds, as (check, problem)."""
    config = cloud.folder / "nova-lite.conf"
    config.write_text(
        f"[DEFAULT]\nstate_dir = {cloud.folder}\nrun_dir = {cloud.folder}\n"
        f"[database]\nurl = {cloud.url}\n[compute]\ndriver = fake\n"
    )

    def call():
        answer = CliRunner().invoke(command, ["--config-file", str(config), "doctor", "--json"])
        assert answer.exit_code == 1, answer.output
        found = json.loads(answer.output)
        assert {one["check"] for one in found} >= NOT_HERE
        return [(one["check"], one["problem"]) for one in found if one["check"] not in NOT_HERE]

    return call


@pytest.fixture
def server_id(cloud):
    server_id = cloud.boot(cloud.image())
    cloud.wait_for(server_id, "ACTIVE")
    cloud.wait(lambda: cloud.server(server_id)["OS-EXT-STS:task_state"] is None, "it is settled")
    return server_id


def write(cloud, statement):
    cloud.database.transact(lambda tx: tx.execute(statement))


def test_a_cloud_that_works_is_sound_while_servers_come_and_go(cloud, examine, server_id):
    assert examine() == []

    cloud.ask("DELETE", f"/servers/{server_id}")
    assert examine() == []
    cloud.wait_gone(server_id)
    assert examine() == []


def orphan_claim(server_id):
    stranger = str(uuid.uuid4())
    return [claims.insert().values(server_id=stranger, role="current", host="h1", vcpus=0, ram_mib=0, disk_gib=0, created_at=0)]


def wrong_use(server_id):
    return [hosts.update().where(hosts.c.name == "h1").values(vcpus_used=hosts.c.vcpus_used + 3)]


def no_claim(server_id):
    return [claims.delete().where(claims.c.server_id == server_id)]


def wrong_quota(server_id):
    return [quota_usage.update().where(quota_usage.c.resource == "ram").values(used=quota_usage.c.used + 7)]


def port_of_nobody(server_id):
    return [ports.update().where(ports.c.server_id == server_id).values(server_id=str(uuid.uuid4()))]


def server_gone_by_hand(server_id):
    return [servers.update().where(servers.c.id == server_id).values(state="deleted")]


def host_that_owes(server_id):
    values = {"host": "h1", "server_id": str(uuid.uuid4()), "fence": 1, "turn": 1, "created_at": time.time()}
    return [tombstones.insert().values({name: value for name, value in values.items() if name in tombstones.c})]


@pytest.mark.parametrize(
    ("spoil", "checks"),
    [
        (orphan_claim, {"claims"}),
        (wrong_use, {"claims"}),
        (no_claim, {"claims"}),
        (wrong_quota, {"quota"}),
        (port_of_nobody, {"ports"}),
        (server_gone_by_hand, {"claims", "ports", "quota"}),
        (host_that_owes, {"hosts"}),
    ],
)
def test_what_is_wrong_in_the_books_is_found(cloud, examine, server_id, spoil, checks):
    cloud.conductor.stop()  # which would mend it
    for statement in spoil(server_id):
        write(cloud, statement)

    found = examine()

    assert {check for check, _ in found} == checks, found


def test_operations_that_nobody_serves_and_that_are_late_are_found(cloud, examine, server_id):
    cloud.conductor.stop()
    cloud.ask("DELETE", f"/servers/{server_id}")
    living = operations.c.ended_at.is_(None)

    write(cloud, operations.update().where(living).values(wake_at=operations.c.wake_at - 60))
    unserved = examine()
    write(cloud, operations.update().where(living).values(deadline_at=0.001, unwinding=True))
    late = examine()

    assert [check for check, _ in unserved] == ["operations"]
    assert f"delete of {server_id} waits for a conductor" in unserved[0][1]
    assert any("is late by" in problem for _, problem in late), late
