"""The embedded Identity answers as Keystone does: several hundred requests, good and bad, are sent to both."""

from __future__ import annotations

from pathlib import Path

import pytest
from real.keystone import Keystone, environment_folder
from real.two_identities import compare, keystone_side, our_side, steps_of

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(900)]  # each hash of Keystone takes a quarter of a second
FILES = sorted((Path(__file__).parent / "parity").glob("*.yaml"))


@pytest.fixture(scope="module")
def keystone():
    """A Keystone of one thread.

    It checks a token with what the thread read for the request before, and of several threads one may have slept since a domain
    was disabled that is enabled again.
    """
    if environment_folder() is None:
        pytest.skip("Keystone is not installed: ./run-tests puts it into .venv-keystone")
    server = Keystone(threads=1)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="module")
def sides(keystone, tmp_path_factory):
    both = keystone_side(keystone), our_side(tmp_path_factory.mktemp("ours"))
    for side in both:
        side.log_in()
    return both


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_both_answer_alike(sides, path):
    found = [line for number, step in enumerate(steps_of(path), 1) for line in compare(number, step, sides)]

    assert not found, "\n" + "\n".join(found)
