"""The processes of an api, each of which may die or stand still: what the others do meanwhile, and that it comes back."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import time
from pathlib import Path

import pytest
from unit.api.test_daemon import ask, free_port, start, wait_ready

from nova_lite.db import migrate
from nova_lite.db.engine import Database
from nova_lite.identity.bootstrap import bootstrap

SOON_S = 10.0
LOOK_S = 1.0


class Api:
    """One api, and its processes by what they are for, in the order in which they were started."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.process = start(folder, self.port)
        wait_ready(self.process, folder, self.port)

    def family(self):
        pids = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return dict(zip(("serving", "operators", "door"), sorted(map(int, pids)), strict=True))

    def look(self):
        began = time.monotonic()
        return ask(self.port, "GET", "/healthz")[0], time.monotonic() - began


@pytest.fixture
def api(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'nova-lite.db'}")
    migrate.upgrade(database)
    people = {"admin_password": "admin-pw", "demo_password": "demo-pw"}
    bootstrap(database, **people, region="RegionOne", public_url="http://cloud.test", services=["identity"])
    database.dispose()
    made = Api(tmp_path)
    yield made
    if made.process.poll() is None:
        for pid in made.family().values():
            os.kill(pid, signal.SIGCONT)
        made.process.terminate()
    assert made.process.wait(40) == 0


@contextlib.contextmanager
def standing_still(pid):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_operators_look_while_nothing_else_is_served_and_the_others_are_told_when_to_come_back(api):
    request = b"GET /identity/v3/users HTTP/1.1\r\nHost: x\r\n\r\n"
    with standing_still(api.family()["serving"]), contextlib.ExitStack() as stack:
        for _ in range(200):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", api.port), timeout=20))
            client.sendall(request)
        looks = [api.look() for _ in range(5)]
        answer = http.client.HTTPResponse(client)
        answer.begin()

        assert [status for status, _ in looks] == [200] * 5
        assert max(seconds for _, seconds in looks) < LOOK_S
        assert (answer.status, answer.getheader("Retry-After")) == (503, "1")
        assert json.loads(answer.read())["error"]["code"] == 503

    metrics = ask(api.port, "GET", "/metrics")[1].decode()
    (turned_away,) = [
        one for one in metrics.splitlines() if one.startswith('nova_lite_requests_turned_away_total{kind="list"}')
    ]
    assert float(turned_away.split()[1]) >= 100


@pytest.mark.parametrize("who", ["serving", "operators", "door"])
def test_a_process_that_dies_is_replaced_and_keeps_its_place(api, who):
    before = api.family()
    os.kill(before[who], signal.SIGKILL)
    until = time.monotonic() + SOON_S
    while (
        len(now := Path(f"/proc/{api.process.pid}/task/{api.process.pid}/children").read_text().split()) < 3
        or str(before[who]) in now
    ):
        assert time.monotonic() < until
        time.sleep(0.05)

    assert api.look()[0] == 200
    assert ask(api.port, "GET", "/identity/v3")[0] == 200


def test_a_connection_that_is_kept_open_outlives_the_process_that_answered_it(api):
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=30)
    connection.connect()
    connection.auto_open = 0
    with contextlib.closing(connection):
        for _ in range(2):
            connection.request("GET", "/identity/v3")
            answer = connection.getresponse()
            assert (answer.status, answer.getheader("Connection")) == (200, "keep-alive")
            answer.read()
            time.sleep(0.5)
            with contextlib.suppress(ProcessLookupError):
                os.kill(api.family()["serving"], signal.SIGKILL)
            wait_ready(api.process, api.folder, api.port)
            time.sleep(1.5)


def test_what_a_kept_connection_is_sending_when_the_daemon_ends_is_served(api):
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", "/identity/v3")
        assert connection.getresponse().read()
        connection.auto_open = 0
        api.process.terminate()

        told = None
        while told != "close":  # it is told to the request that comes after the signal, whenever that is seen
            connection.request("GET", "/identity/v3")
            answer = connection.getresponse()
            assert answer.status == 200 and answer.read()
            told = answer.getheader("Connection")
