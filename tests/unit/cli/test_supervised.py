"""The supervisor keeps what it is told running: real processes, in folders of the test's own."""

from __future__ import annotations

import os
import signal
import stat
import time
from pathlib import Path

import pytest

from nova_lite.cli.daemons import Program
from nova_lite.cli.supervised import Supervised
from nova_lite.conf.daemon import DaemonOptions


def sleeper(name, kind="api", **environment):
    return Program(name=name, kind=kind, command=("sleep", "300"), environment=tuple(environment.items()))


def until(true, within_s=10.0):
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def keeper(tmp_path):
    options = DaemonOptions(state_dir=tmp_path, run_dir=tmp_path / "run", log_dir=tmp_path / "log", debug=False)
    keeper = Supervised(options)
    yield keeper
    keeper.stop()


def pids(keeper):
    return {one.name: one.pid for one in keeper.list_running() if one.state == "running"}


def test_programs_run_until_they_are_stopped(keeper):
    started = keeper.start([sleeper("one"), sleeper("two", "conductor")])
    until(lambda: len(pids(keeper)) == 2)
    running = pids(keeper)

    stopped = keeper.stop()

    assert started
    assert stopped == 2
    assert keeper.list_running() == ()
    assert not any(Path(f"/proc/{pid}").exists() for pid in running.values())


def test_second_start_leaves_what_runs_alone(keeper):
    keeper.start([sleeper("one")])
    until(lambda: len(pids(keeper)) == 1)
    before = pids(keeper)

    started = keeper.start([sleeper("one")])

    assert not started
    assert pids(keeper) == before


def test_changed_program_is_started_anew_and_others_go_on(keeper):
    keeper.start([sleeper("one"), sleeper("two"), sleeper("gone")])
    until(lambda: len(pids(keeper)) == 3)
    before = pids(keeper)

    keeper.start([sleeper("one"), sleeper("two", X="1"), sleeper("new")])
    until(lambda: set(pids(keeper)) == {"one", "two", "new"})

    assert pids(keeper)["one"] == before["one"]
    assert pids(keeper)["two"] != before["two"]


def test_killed_program_comes_back(keeper):
    keeper.start([sleeper("one")])
    until(lambda: len(pids(keeper)) == 1)
    before = pids(keeper)["one"]

    os.kill(before, signal.SIGKILL)
    until(lambda: pids(keeper).get("one", before) != before)

    assert Path(f"/proc/{pids(keeper)['one']}").exists()


def test_percent_signs_and_commas_in_the_environment_arrive(keeper, tmp_path):
    words = "a%b, c d"
    program = Program(
        name="say",
        kind="api",
        command=("sh", "-c", f"printenv WORDS > {tmp_path}/said; sleep 300"),
        environment=(("WORDS", words),),
    )

    keeper.start([program])
    until(lambda: (tmp_path / "said").exists() and (tmp_path / "said").read_text().strip())

    assert (tmp_path / "said").read_text().strip() == words


def test_socket_is_for_its_owner_only(keeper):
    keeper.start([sleeper("one")])

    assert stat.S_IMODE(keeper.socket.stat().st_mode) == 0o700
    assert stat.S_IMODE(keeper.configuration.stat().st_mode) == 0o600


def test_stop_may_be_repeated(keeper):
    assert keeper.stop() == 0
    assert keeper.stop() == 0
