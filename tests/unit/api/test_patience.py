"""Waiting for what no client can see: in turn, bounded, and never for what has ended."""

from __future__ import annotations

import contextlib
import types

import pytest

from nova_lite import errors
from nova_lite.api import patience
from nova_lite.api.route import Answer

SEEN, UNSEEN = "reboot", "trigger_crash_dump"


class World:
    """A request's parts: a clock that goes on by sleeping, and what is on the server at each look."""

    def __init__(self, *looks, joint=False):
        self.looks, self.now, self.conflicts = list(looks), 0.0, 0
        self.parts = types.SimpleNamespace(
            clock=types.SimpleNamespace(monotonic=lambda: self.now, sleep=self._sleep),
            database=types.SimpleNamespace(is_joint=lambda: joint, read=contextlib.nullcontext),
            admission=types.SimpleNamespace(slot=lambda kind: contextlib.nullcontext()),
            patience_s=10.0,
        )
        self.params = {"server_id": "s"}

    def _sleep(self, seconds):
        self.now += seconds

    def live_operation(self, _tx, _kind, _subject):
        workflow = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return None if workflow is None else types.SimpleNamespace(workflow=workflow)

    def act(self, conflicts):
        def handler():
            if self.conflicts < conflicts:
                self.conflicts += 1
                raise errors.Conflict("busy")
            return Answer(status=202)

        return patience.on_server(self, handler)


@pytest.fixture
def world(monkeypatch):
    def make(*looks, **more):
        made = World(*looks, **more)
        monkeypatch.setattr(patience.journal, "live_operation", made.live_operation)
        return made

    return make


def test_what_nobody_sees_is_waited_for(world):
    here = world(UNSEEN, UNSEEN, None)

    assert here.act(1).status == 202
    assert 0 < here.now < 1


def test_what_ends_just_then_is_in_nobodys_way(world):
    assert world(None).act(1).status == 202


@pytest.mark.parametrize("looks", [(None,), (SEEN,)])
def test_what_is_in_the_way_otherwise_is_told_at_once(world, looks):
    here = world(*looks)

    with pytest.raises(errors.Conflict):
        here.act(99)

    assert (here.now, here.conflicts) == (0, 2)


def test_patience_ends(world):
    here = world(UNSEEN)

    with pytest.raises(errors.Conflict):
        here.act(99)

    assert 10 <= here.now < 11


def test_nothing_is_waited_for_in_a_keys_transaction(world):
    here = world(UNSEEN, joint=True)

    with pytest.raises(errors.Conflict):
        here.act(99)

    assert (here.now, here.conflicts) == (0, 1)
