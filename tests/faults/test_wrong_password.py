"""Daemons whose password the broker does not take: they say so once, go on trying, and work when it is mended."""

from __future__ import annotations

import time

import pytest
from faults import cloud as clouds

from nova_lite.db.tables.inventory import hosts
from nova_lite.rpc import broker, join

pytestmark = [pytest.mark.rabbit, pytest.mark.slow, pytest.mark.timeout(300)]
DAEMONS = ("conductor.1", "scheduler.1", "compute.h1", "api.1")
LOOK_S = 10.0


@pytest.fixture
def cloud(tmp_path):
    rabbit = clouds.RABBIT.Rabbit()
    try:
        rabbit.start()
        cloud = clouds.Cloud(tmp_path, rabbit, host_names=("h1",))
        cloud.set_up()
        yield cloud
        cloud.close()
    finally:
        rabbit.remove()


def set_passwords(cloud, passwords: dict[str, str]) -> None:
    for user, password in passwords.items():
        cloud.rabbit.run_ctl("change_password", user, password)


def test_a_wrong_password_is_told_without_flooding_the_log_and_all_goes_on_when_it_is_mended(cloud):
    host_url = join.read(cloud.join_file("h1")).broker_url
    right = {
        f"cloud{cloud.port}": broker.password_of(cloud.broker.url),
        broker.host_user("h1"): broker.password_of(host_url),
    }
    cloud.start()
    for name in DAEMONS:
        cloud.kill(name)
    seen = hosts.c.last_seen_at
    cloud.database.transact(lambda tx: tx.execute(hosts.update().values({seen: seen - 60})))  # the outage is a minute old
    set_passwords(cloud, dict.fromkeys(right, "another-word"))

    for name in DAEMONS:
        cloud.log(name).write_text("")
        cloud.spawn(name)
    ids = [cloud.boot(f"s{number}", image) for image in [cloud.image()] for number in range(5)]  # the journal takes them
    logs = {name: cloud.log(name) for name in DAEMONS}
    cloud.wait(lambda: all("password" in path.read_text() for path in logs.values()), 30, "each daemon tells of the password")
    time.sleep(LOOK_S)

    for name, path in logs.items():
        words = path.read_text()
        assert cloud.processes[name].poll() is None, words
        assert sum("WARNING" in line or "ERROR" in line for line in words.splitlines()) <= 3, words
        assert "Traceback" not in words
        assert not [word for word in ("another-word", *right.values()) if word in words]
    found = {finding["check"]: finding["problem"] for finding in cloud.doctor()}
    assert "password" in found["broker"]

    set_passwords(cloud, right)
    cloud.wait(lambda: all(one["status"] == "ACTIVE" for one in cloud.servers().values()), 60, "all servers are ACTIVE")
    assert set(cloud.servers()) == set(ids)
    assert cloud.doctor() == []
