"""The daemon as a process: gunicorn, sockets, signals, and a real client."""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from keystoneauth1 import exceptions, session
from keystoneauth1.identity import v3

from nova_lite.db import migrate
from nova_lite.db.engine import Database
from nova_lite.identity.bootstrap import bootstrap
from nova_lite.identity.service import ensure_all_keys

READY_S = 60
BURST = 64


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(folder, port, *arguments, **environment):
    command = [sys.executable, "-m", "nova_lite.api.daemon", "--services", "identity", *arguments]
    settings = {
        "OS_DEFAULT__STATE_DIR": str(folder),
        "OS_DEFAULT__LOG_DIR": str(folder / "audit"),
        "OS_API__PORT": str(port),
        "OS_API__THREADS": "4",
        "OS_IDENTITY__POLICY_FILE": str(folder / "policy.yaml"),
        **environment,
    }
    ensure_all_keys(folder, time.time())
    log = (folder / "log").open("ab")
    return subprocess.Popen(command, env=os.environ | settings, stdout=log, stderr=log)


def wait_ready(process, folder, port):
    until = time.monotonic() + READY_S
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError):
            if ask(port, "GET", "/healthz")[0] == 200:
                return
        time.sleep(0.1)
    pytest.fail((folder / "log").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api")
    port = free_port()
    database = Database(f"sqlite:///{folder / 'nova-lite.db'}")
    migrate.upgrade(database)
    bootstrap(
        database,
        admin_password="admin-pw",
        demo_password="demo-pw",
        region="RegionOne",
        public_url=f"http://127.0.0.1:{port}",
        services=["identity"],
    )
    database.dispose()
    process = start(folder, port)
    try:
        wait_ready(process, folder, port)
        yield folder, port, process
    finally:
        process.terminate()
        process.wait(40)


def ask(port, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        headers = headers or {}
        connection.request(method, path, body=body, headers=headers, encode_chunked="Transfer-Encoding" in headers)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers
    finally:
        connection.close()


def raw(port, *pieces, pause=0.0, timeout=30.0):
    """Send pieces, wait between them; give what came until the other side closed, and how long that took."""
    started = time.monotonic()
    got = b""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        with contextlib.suppress(OSError):
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)
        with contextlib.suppress(ConnectionResetError):
            while data := connection.recv(65536):
                got += data
    return got, time.monotonic() - started


def test_an_answer_says_so_when_an_unread_body_ends_the_connection(cloud):
    _, port, _ = cloud
    users, large = "/identity/v3/users", b"x" * 500_000

    refused, _, told = ask(port, "POST", users, large, {"Content-Type": "application/json"})
    assert (refused, told["Connection"]) == (401, "close")
    refused, _, told = ask(port, "POST", users, iter([large]), {"Transfer-Encoding": "chunked"})
    assert (refused, told["Connection"]) == (401, "close")
    refused, _, told = ask(port, "POST", users, b"{}", {"Content-Type": "application/json"})
    assert (refused, told["Connection"]) == (401, "keep-alive")


def test_a_burst_of_changes_waits_in_line_and_none_is_refused(cloud):
    _, port, _ = cloud
    auth = v3.Password(
        auth_url=f"http://127.0.0.1:{port}/identity/v3",
        username="admin",
        password="admin-pw",
        project_name="admin",
        user_domain_id="default",
        project_domain_id="default",
    )
    headers = {"X-Auth-Token": session.Session(auth=auth).get_token(), "Content-Type": "application/json"}
    all_here = threading.Barrier(BURST)

    def create(number):
        all_here.wait(30)
        body = json.dumps({"project": {"name": f"burst{number}", "domain_id": "default"}})
        return ask(port, "POST", "/identity/v3/projects", body, headers)[0]

    with concurrent.futures.ThreadPoolExecutor(BURST) as pool:
        answers = list(pool.map(create, range(BURST)))

    assert answers == [201] * BURST


FEW_FILES = """
import resource, sys
from nova_lite.api import daemon

resource.setrlimit(resource.RLIMIT_NOFILE, (400, 400))
sys.exit(daemon.main())
"""


def test_connections_that_say_nothing_keep_nobody_out(cloud, tmp_path):
    folder, port = cloud[0], free_port()
    folders = {"OS_DEFAULT__STATE_DIR": str(folder), "OS_DEFAULT__LOG_DIR": str(folder / "audit")}
    settings = {**folders, "OS_API__PORT": str(port), "OS_API__THREADS": "4"}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", FEW_FILES, "--services", "identity"], env=os.environ | settings, stdout=log, stderr=log
        )
    try:
        wait_ready(process, tmp_path, port)
        workers = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        before = workers.read_text()
        with contextlib.ExitStack() as stack:
            for _ in range(500):
                stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            assert ask(port, "GET", "/identity/v3")[0] == 200
        assert workers.read_text() == before  # it did not die of them
    finally:
        process.terminate()
        process.wait(40)


def test_a_client_that_is_still_sending_gets_the_answer_that_refuses_it(cloud):
    _, port, _ = cloud
    head = b"POST /identity/v3/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 400000\r\n\r\n"

    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(head)
        for _ in range(4):
            time.sleep(0.1)
            connection.sendall(b"x" * 50_000)
        got = connection.recv(65536)

    assert got.startswith(b"HTTP/1.1 401 ")


def test_a_connection_goes_on_after_a_body_that_nobody_wanted(cloud):
    connection = http.client.HTTPConnection("127.0.0.1", cloud[1], timeout=30)
    connection.connect()
    connection.auto_open = 0
    with contextlib.closing(connection):
        connection.request("DELETE", "/identity/v3/users/none", body=b"x" * 10_000)
        assert connection.getresponse().read()
        connection.request("GET", "/identity/v3")
        assert connection.getresponse().status == 200


def log_in(port, name="demo", password="demo-pw", **scope):
    auth = v3.Password(
        auth_url=f"http://127.0.0.1:{port}/identity/v3",
        username=name,
        password=password,
        user_domain_id="default",
        **(scope or {"project_name": name, "project_domain_id": "default"}),
    )
    return session.Session(auth=auth)


def test_keystoneauth_logs_in_and_finds_the_catalog(cloud):
    _, port, _ = cloud
    client = log_in(port)

    assert client.get_endpoint(service_type="identity") == f"http://127.0.0.1:{port}/identity"
    found = client.get("/auth/projects", endpoint_filter={"service_type": "identity", "version": (3, 0)}).json()
    assert [project["name"] for project in found["projects"]] == ["demo"]


def test_keystoneauth_takes_the_system_as_scope(cloud):
    client = log_in(cloud[1], "admin", "admin-pw", system_scope="all")

    assert client.get("/users", endpoint_filter={"service_type": "identity", "version": (3, 0)}).status_code == 200


def test_keystoneauth_tells_a_wrong_password(cloud):
    with pytest.raises(exceptions.Unauthorized):
        log_in(cloud[1], password="wrong").get_token()


def test_a_revoked_token_ends_within_two_seconds_in_every_worker(cloud):
    _, port, _ = cloud
    client = log_in(port)
    token = client.get_token()
    headers = {"X-Auth-Token": token, "X-Subject-Token": token}

    assert ask(port, "DELETE", "/identity/v3/auth/tokens", headers=headers)[0] == 204

    time.sleep(2)
    assert ask(port, "GET", "/identity/v3/auth/projects", headers=headers)[0] == 401


LOGIN = "/identity/v3/auth/tokens"
JSON = {"Content-Type": "application/json"}


def test_20_megabytes_are_refused_at_once(cloud):
    head = f"POST {LOGIN} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {20 << 20}\r\n\r\n"

    with socket.create_connection(("127.0.0.1", cloud[1]), timeout=10) as connection:
        connection.sendall(head.encode())

        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_20_megabytes_in_chunks_are_refused_when_there_are_too_many(cloud):
    def pieces():
        for _ in range(20):
            yield b"a" * (1 << 20)

    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        status, _, _ = ask(cloud[1], "POST", LOGIN, pieces(), JSON | {"Transfer-Encoding": "chunked"})
        assert status == 413


def test_chunked_json_is_taken(cloud):
    status, body, _ = ask(cloud[1], "POST", LOGIN, iter([b'{"auth"', b": {}}"]), JSON | {"Transfer-Encoding": "chunked"})

    assert (status, b"identity" in body) == (400, True)


def test_a_body_without_a_length_is_411(cloud):
    got, _ = raw(
        cloud[1],
        f"POST {LOGIN} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{'Content-Type: application/json'}\r\n\r\n".encode(),
    )

    assert got.startswith(b"HTTP/1.1 411 ")


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 20000 + b"\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Many: a\r\n" * 200 + b"\r\n", b"431"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
    ],
)
def test_what_http_can_get_wrong_is_refused(cloud, request_head, status):
    got, _ = raw(cloud[1], request_head)

    assert got.startswith(b"HTTP/1.1 " + status), got[:200]


def test_a_client_that_says_nothing_or_little_does_not_hold_a_thread(cloud):
    _, port, _ = cloud
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(12)]
    for number, connection in enumerate(slow):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-" if number % 2 else b"")
    started = time.monotonic()

    status, _, _ = ask(port, "GET", "/healthz")

    for connection in slow:
        connection.close()
    assert status == 200
    assert time.monotonic() - started < 15


def test_many_slow_senders_of_headers_have_less_time_than_one(cloud):
    _, port, _ = cloud
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(40)]
    for connection in slow:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-")
    started = time.monotonic()

    status, _, _ = ask(port, "GET", "/healthz")

    for connection in slow:
        connection.close()
    assert status == 200
    assert time.monotonic() - started < 25  # four threads; with four seconds for each of the forty it were 40


def test_a_slow_sender_of_headers_is_cut_off(cloud):
    head = b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"a" * 60

    _, took = raw(cloud[1], *(head[place : place + 1] for place in range(len(head))), pause=0.5)

    assert took < 40


def test_a_slow_sender_of_a_body_is_told_408(cloud):
    head = f"POST {LOGIN} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"

    got, took = raw(cloud[1], head.encode() + b"{", timeout=40)

    assert got.startswith(b"HTTP/1.1 408 "), got[:200]
    assert 8 < took < 25


def test_metrics_are_for_this_machine_only(cloud):
    assert ask(cloud[1], "GET", "/metrics")[0] == 200
    assert ask(cloud[1], "GET", "/metrics", headers={"X-Forwarded-For": "192.0.2.1"})[0] == 404


def test_a_taken_port_is_told_by_its_option(cloud):
    folder, port, _ = cloud
    second = start(folder, port)

    assert second.wait(60) == 78
    assert f"[api] listen, port: 127.0.0.1:{port}: Address already in use." in (folder / "log").read_text(encoding="utf-8")


def test_an_empty_database_is_told_with_what_to_do(tmp_path):
    assert start(tmp_path, free_port()).wait(60) == 78
    assert "Run: nova-lite db upgrade" in (tmp_path / "log").read_text(encoding="utf-8")


def test_an_option_out_of_range_is_told_by_its_name(tmp_path):
    assert start(tmp_path, free_port(), OS_API__THREADS="1").wait(60) == 78
    assert "[api] threads" in (tmp_path / "log").read_text(encoding="utf-8")


def test_an_unknown_service_is_told(cloud):
    folder, _, _ = cloud

    assert start(folder, free_port(), "--services", "identity,weather").wait(60) == 78


def test_a_request_in_hand_is_finished_when_the_daemon_ends(cloud):
    folder, _, _ = cloud
    port = free_port()
    process = start(folder, port)
    try:
        wait_ready(process, folder, port)
        head = f"POST {LOGIN} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{"
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(head.encode())
            time.sleep(0.5)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            connection.sendall(b"}")

            assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")
        assert process.wait(40) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)


LATE_WORKER = """
import sys, time
from nova_lite.api import daemon, worker

usual = worker.Worker.init_process

def late(self):
    print("forked", file=sys.stderr, flush=True)
    time.sleep(1.5)
    usual(self)

worker.Worker.init_process = late
sys.exit(daemon.main())
"""


def test_a_signal_that_meets_a_worker_being_started_ends_it_in_time(cloud, tmp_path):
    folder, _, _ = cloud
    folders = {"OS_DEFAULT__STATE_DIR": str(folder), "OS_DEFAULT__LOG_DIR": str(folder / "audit")}
    settings = {**folders, "OS_API__PORT": str(free_port()), "OS_API__THREADS": "4"}
    command = [sys.executable, "-c", LATE_WORKER, "--services", "identity"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, env=os.environ | settings, stdout=log, stderr=log)
    until = time.monotonic() + READY_S
    while "forked" not in (tmp_path / "log").read_text(encoding="utf-8"):
        assert time.monotonic() < until, (tmp_path / "log").read_text(encoding="utf-8")
        time.sleep(0.05)
    began = time.monotonic()

    process.send_signal(signal.SIGTERM)

    assert process.wait(30) == 0
    assert time.monotonic() - began < 7
