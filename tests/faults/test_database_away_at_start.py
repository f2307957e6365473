"""Daemons that are started while PostgreSQL is away: they wait, say so once with the reason, and serve when it is there."""

from __future__ import annotations

import signal

import pytest
from faults import cloud as clouds
from real import databases

pytestmark = [pytest.mark.rabbit, pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(300)]
CONTROL = ("conductor.1", "scheduler.1", "api.1")
WAITS = "The start waits: The database does not answer at the moment."


@pytest.fixture(scope="module")
def server():
    """One that may be stopped without disturbing other tests of this process."""
    with databases.postgres() as server:
        yield server


@pytest.fixture(scope="module")
def set_up(tmp_path_factory, server):
    """A cloud of which nothing runs yet."""
    rabbit = clouds.RABBIT.Rabbit()
    try:
        rabbit.start()
        root = tmp_path_factory.mktemp("cloud")
        cloud = clouds.Cloud(root, rabbit, host_names=("h1",), database_url=server.keep_database())
        cloud.set_up()
        yield cloud
        cloud.close()
    finally:
        rabbit.remove()


@pytest.fixture
def cloud(set_up, server):
    """A cloud whose daemons have been started while its database is away."""
    set_up.database.dispose()
    server.signal(signal.SIGINT)
    server.end()
    for name in (*CONTROL, "compute.h1"):
        set_up.log(name).write_text("")
        set_up.spawn(name)
    logs = [set_up.log(name) for name in CONTROL]
    try:
        set_up.wait(lambda: all(WAITS in log.read_text() for log in logs), 60, "each daemon says that it waits")
        yield set_up
    finally:
        for name in set_up.processes:
            set_up.kill(name)


def test_they_wait_say_why_and_serve_when_it_is_there(cloud, server):
    pids = {name: process.pid for name, process in cloud.processes.items()}

    server.start()
    cloud.wait(cloud.is_ready, 60, "the cloud is ready")
    cloud.boot("first", cloud.image())
    cloud.wait(lambda: all(one["status"] == "ACTIVE" for one in cloud.servers().values()), 60, "the server is ACTIVE")

    assert {name: process.pid for name, process in cloud.processes.items() if process.poll() is None} == pids
    for name in CONTROL:
        words = cloud.log(name).read_text()
        assert words.count("The start waits") == 1
        assert words.count("The start goes on") == 1
        assert "connection to server" in words, "the reason is missing"
        assert "Traceback" not in words


def test_a_signal_ends_those_that_wait(cloud):
    codes = {name: cloud.end(name, 10.0) for name in CONTROL}

    assert codes == {"conductor.1": 0, "scheduler.1": 0, "api.1": -signal.SIGTERM}
