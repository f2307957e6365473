"""Processes that are found again by their command line."""

from __future__ import annotations

import subprocess

import pytest

from nova_lite.compute.wiring.process import Kept


@pytest.fixture
def sleeper(tmp_path):
    made = subprocess.Popen(["sleep", "61.25"])
    assert Kept(tmp_path / "none", ("sleep", "61.25")).catch() == made.pid  # its command line shows a moment after its start
    yield made
    made.kill()
    made.wait()


def test_a_process_is_found_by_its_number_and_by_what_it_is(tmp_path, sleeper):
    kept = Kept(tmp_path / "pid", ("sleep", "61.25"))
    assert kept.pid() is None

    kept.write(sleeper.pid)

    assert (kept.pid(), kept.search()) == (sleeper.pid, sleeper.pid)


def test_another_process_with_the_number_is_not_ended(tmp_path, sleeper):
    kept = Kept(tmp_path / "pid", ("sleep", "61.2"))
    kept.write(sleeper.pid)

    kept.end()

    assert kept.pid() is None
    assert kept.search() is None
    assert sleeper.poll() is None


def test_it_is_ended_and_may_be_again(tmp_path, sleeper):
    kept = Kept(tmp_path / "pid", ("sleep", "61.25"))
    kept.write(sleeper.pid)

    for _ in range(2):
        kept.end()

    assert sleeper.wait(5) == -15
