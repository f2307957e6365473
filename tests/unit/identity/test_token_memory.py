"""What is remembered of Keystone's answers: for a while, and not without bounds."""

from __future__ import annotations

import pytest

pytest.importorskip("keystonemiddleware", reason="the extra keystone is not installed")

from nova_lite import errors
from nova_lite.conf.identity import KeystoneOptions
from nova_lite.identity.keystone import LONGEST, KeystoneTokens, TokenMemory
from nova_lite.identity.port import Call


@pytest.fixture
def now():
    return [0.0]


@pytest.fixture
def memory(now):
    return TokenMemory(size=2, clock=lambda: now[0])


def test_answer_is_remembered_for_its_time(memory, now):
    memory.set("a", "answer", time=10)
    now[0] = 9.9
    assert memory.get("a") == "answer"
    now[0] = 10.0
    assert memory.get("a") is None


def test_longest_unused_answer_leaves_first(memory):
    memory.set("a", 1, time=10)
    memory.set("b", 2, time=10)
    memory.get("a")
    memory.set("c", 3, time=10)

    assert [memory.get(key) for key in "abc"] == [1, None, 3]


@pytest.mark.parametrize("text", ["x" * (LONGEST + 1), "\xff", "a\tb"])
def test_what_can_be_no_token_is_not_asked_about(text, tmp_path):
    options = KeystoneOptions(auth_url="http://127.0.0.1:9/v3", password_file=tmp_path / "password", password="p")
    tokens = KeystoneTokens(options, ())
    call = Call(service="", method="GET", path="/", service_token=text)

    for token, shown in ((text, None), ("a token", call)):
        with pytest.raises(errors.Unauthorized):
            tokens.check(token, "req-1", shown)
