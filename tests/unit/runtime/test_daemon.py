"""The frame of a daemon, as a process: ready, alive, drained, ended; and its exit codes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

DAEMON = """
import sys, threading, time
from nova_lite import errors
from nova_lite.runtime.daemon import run

class Service:
    def start(self): {start}
    def stop(self): {stop}
    def alive(self): return {alive}

def build(conf):
    {build}
    return Service()

sys.exit(run("conductor", build, sys.argv[1:]))
"""
SOON_S = 15.0
HURRIED = "from nova_lite.runtime import waiting; waiting.WAIT_S = 1"
TWICE_AWAY = """
        global calls
        calls = globals().get('calls', 0) + 1
        if calls < 3:
            raise errors.Unavailable('The database is away.') from OSError('nobody listens')"""
BUILT = "from nova_lite.runtime.sd_notify import notify; notify('BUILT=1')"


class Daemon:
    """A process with a socket that plays systemd."""

    def __init__(self, folder, *arguments, start="pass", stop="pass", alive="True", build="pass", **environment):
        (folder / "empty.conf").write_text("")
        self.notifications = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notifications.bind(str(folder / "notify"))
        self.notifications.settimeout(SOON_S)
        self.health_port = free_port()
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                DAEMON.format(start=start, stop=stop, alive=alive, build=build),
                "--config-file",
                str(folder / "empty.conf"),
                *arguments,
            ],
            env={
                **os.environ,
                "NOTIFY_SOCKET": str(folder / "notify"),
                "OS_DEFAULT__HEALTH_PORT": str(self.health_port),
                **environment,
            },
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_notified(self, line):
        deadline = time.monotonic() + SOON_S
        while time.monotonic() < deadline:
            if line in self.notifications.recv(4096).decode().split("\n"):
                return
        raise AssertionError(f"no {line}")

    def page(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()

    def end(self):
        _, lines = self.process.communicate(timeout=SOON_S)
        return self.process.returncode, lines


def free_port():
    with socket.socket() as channel:
        channel.bind(("127.0.0.1", 0))
        return channel.getsockname()[1]


@pytest.fixture
def daemon(tmp_path):
    with contextlib.ExitStack() as stack:

        def start(*arguments, **parts):
            made = Daemon(tmp_path, *arguments, **parts)
            stack.callback(made.notifications.close)
            stack.callback(made.process.stderr.close)
            stack.callback(made.process.wait)
            stack.callback(made.process.kill)
            return made

        yield start


def test_a_daemon_is_ready_and_drains_at_sigterm(daemon):
    running = daemon(stop="time.sleep(0.5); sys.stderr.write('drained\\n')")
    running.wait_notified("READY=1")

    running.process.send_signal(signal.SIGTERM)

    running.wait_notified("STOPPING=1")
    code, lines = running.end()
    assert code == 0
    assert "drained" in lines
    assert "conductor[" in lines


def test_a_second_signal_ends_it_at_once(daemon):
    running = daemon(stop="time.sleep(20)")
    running.wait_notified("READY=1")
    running.process.send_signal(signal.SIGTERM)
    running.wait_notified("STOPPING=1")
    began = time.monotonic()

    running.process.send_signal(signal.SIGINT)

    assert running.end()[0] == 128 + signal.SIGINT
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("hanging", ["start", "stop"])
def test_whatever_hangs_a_daemon_is_gone_ten_seconds_after_its_signal(daemon, hanging):
    running = daemon(**{hanging: "sys.stderr.write('hangs\\n'), sys.stderr.flush(), time.sleep(60)", "build": BUILT})
    running.wait_notified("BUILT=1")
    time.sleep(0.5)
    began = time.monotonic()

    running.process.send_signal(signal.SIGTERM)

    _, lines = running.end()
    assert 5 < time.monotonic() - began < 10
    assert "did not end in time" in lines


def test_a_signal_that_comes_while_it_starts_ends_it_when_it_has_started(daemon):
    running = daemon(start=f"{BUILT}; time.sleep(2)", stop="sys.stderr.write('drained\\n')")
    running.wait_notified("BUILT=1")

    running.process.send_signal(signal.SIGTERM)

    code, lines = running.end()
    assert code == 0
    assert "drained" in lines
    assert "is ready" not in lines


def test_what_is_away_at_the_start_is_waited_for_and_told_once(daemon):
    running = daemon(start=TWICE_AWAY)
    running.wait_notified("STATUS=The database is away.")
    running.wait_notified("READY=1")
    running.process.send_signal(signal.SIGTERM)

    code, lines = running.end()

    assert code == 0
    assert lines.count("The start waits: The database is away.") == 1
    assert "nobody listens" in lines


def test_a_signal_ends_a_daemon_that_waits_for_what_is_away(daemon):
    running = daemon(start="raise errors.Unavailable('The database is away.')")
    running.wait_notified("STATUS=The database is away.")

    running.process.send_signal(signal.SIGTERM)

    code, lines = running.end()
    assert code == 0
    assert "did not end in time" not in lines


def test_a_thread_that_hangs_does_not_keep_the_process(daemon):
    running = daemon(start="threading.Thread(target=time.sleep, args=(60,)).start()")
    running.wait_notified("READY=1")

    running.process.send_signal(signal.SIGTERM)

    assert running.end()[0] == 0


def test_health_and_metrics_are_shown(daemon):
    running = daemon()
    running.wait_notified("READY=1")

    status, body = running.page("/healthz")
    metrics = running.page("/metrics")[1]

    assert (status, json.loads(body)) == (200, {"status": "ok"})
    assert "process_resident_memory_bytes" in metrics
    with pytest.raises(urllib.error.HTTPError, match="404"):
        running.page("/else")


def test_a_daemon_that_is_not_alive_says_so_and_feeds_no_watchdog(daemon):
    running = daemon(alive="False", WATCHDOG_USEC="300000")
    running.wait_notified("READY=1")
    running.notifications.settimeout(1.0)

    with pytest.raises(TimeoutError):
        running.notifications.recv(4096)

    with pytest.raises(urllib.error.HTTPError, match="503"):
        running.page("/healthz")


def test_the_watchdog_is_fed_while_it_is_alive(daemon):
    running = daemon(WATCHDOG_USEC="300000")

    running.wait_notified("READY=1")
    running.wait_notified("WATCHDOG=1")
    running.wait_notified("WATCHDOG=1")


@pytest.mark.parametrize(
    ("parts", "code", "named"),
    [
        ({"OS_API__PORT": "99999"}, 78, "[api] port"),
        ({"OS_API__PROT": "1"}, 78, "[api] prot"),
        ({"build": "raise errors.ConfigError('The option x is wrong.')"}, 78, "The option x is wrong."),
        ({"start": "raise errors.ConfigError('The database is too new.')"}, 78, "The database is too new."),
        ({"build": "raise errors.Unavailable('The database is away.')"}, 1, "The database is away."),
        ({"start": "raise errors.Unavailable('The database is away.')", "build": HURRIED}, 75, "The database is away."),
    ],
)
def test_what_prevents_the_start_is_said_in_a_line(daemon, parts, code, named):
    ended, lines = daemon(**parts).end()

    assert ended == code
    assert named in lines
    assert "Traceback" not in lines


def test_a_health_port_that_is_taken_is_told(daemon):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        code, lines = daemon(OS_DEFAULT__HEALTH_PORT=str(port)).end()

    assert code == 78
    assert "health_port" in lines
    assert str(port) in lines
