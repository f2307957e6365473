"""Notifications over a real RabbitMQ, read by the example client, while the conductor is killed: each one arrives."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from faults.cloud import SINGLE, Cloud

from nova_lite.db import outbox

pytestmark = pytest.mark.rabbit

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "operate" / "examples" / "watch.py"
SERVERS = 6


@pytest.fixture
def cloud(rabbit, tmp_path):
    cloud = Cloud(tmp_path, rabbit, host_names=("h1", "h2"), spec=SINGLE)
    for name in ("api.1", "conductor.1"):
        cloud.extra_environment[name] = {"OS_BROKER__NOTIFICATIONS": "true"}
    try:
        cloud.set_up()
        cloud.start()
        yield cloud
    finally:
        cloud.close()


@pytest.fixture
def client(cloud, tmp_path):
    """The example, running; its output goes to a file."""
    said = tmp_path / "watch.txt"
    with said.open("wb") as output:
        command = [sys.executable, str(EXAMPLE), cloud.broker.url]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        cloud.wait(lambda: "watching" in said.read_text(), 30, "the example watches")
        yield said
        process.kill()
        process.wait(10)


def told(said):
    """Give each server's events, in the order in which they came."""
    found = defaultdict(list)
    for line in said.read_text().splitlines():
        words = line.split()
        if len(words) > 3 and words[2].startswith("instance."):
            found[words[3]].append(words[2].removeprefix("instance."))
    return found


def waiting(cloud):
    with cloud.database.read() as tx:
        return outbox.standing(tx)[0]


def test_every_notification_arrives_though_the_conductor_is_killed(cloud, client):
    image = cloud.image()
    ids = [cloud.boot(f"s{number}", image) for number in range(SERVERS // 2)]
    cloud.wait(lambda: any("create.start" in told(client)[one] for one in ids), 30, "the first notification has come")

    cloud.kill("conductor.1")
    ids += [cloud.boot(f"s{number}", image) for number in range(SERVERS // 2, SERVERS)]
    left = waiting(cloud)
    cloud.spawn("conductor.1")
    cloud.wait(lambda: all(one["status"] == "ACTIVE" for one in cloud.servers().values()), 90, "all are ACTIVE")
    for server_id in ids:
        cloud.delete(server_id)
    wanted = ["create.start", "create.end", "delete.start", "delete.end"]
    try:
        cloud.wait(lambda: all(set(wanted) <= set(told(client)[one]) for one in ids), 60, "all is told")
    except AssertionError as error:
        raise AssertionError(f"{waiting(cloud)} wait; told: {dict(told(client))}") from error

    assert left >= SERVERS // 2, "the api wrote them down while no conductor was there"
    for server_id in ids:
        events = [event for event in told(client)[server_id] if event != "update"]
        assert list(dict.fromkeys(events)) == wanted, "in their order, those that were repeated counted once"
    assert "host h1 zone=" in client.read_text()
    cloud.wait(lambda: waiting(cloud) == 0, 30, "nothing is left in the outbox")
