"""What is remembered of Keystone's answers: for a while, and not without bounds."""

from __future__ import annotations

import pytest

pytest.importorskip("keystonemiddleware", reason="the extra keystone is not installed")

from nova_lite.identity.keystone import TokenMemory


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
