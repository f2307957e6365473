"""What is asked of a guest's agent, on a libvirt that does as it is told."""

from __future__ import annotations

from types import SimpleNamespace

import libvirt
import pytest

from nova_lite.compute.virt.libvirt import agent


class Domain:
    """A domain. `freezes` and `thaws`: whether its agent does so, in turn; `reached`: whether libvirt is there still."""

    def __init__(self, freezes=True, thaws=(True,), reached=True):
        self.freezes, self.thaws, self.reached = freezes, list(thaws), reached
        self.asked = []

    def agentSetResponseTimeout(self, seconds, flags):
        assert flags == 0

    def fsFreeze(self):
        self.asked.append("freeze")
        self._do(self.freezes)

    def fsThaw(self):
        self.asked.append("thaw")
        self._do(self.thaws.pop(0))

    def connect(self):
        return SimpleNamespace(isAlive=lambda: self.reached)

    @staticmethod
    def _do(obeys):
        if not obeys:
            raise libvirt.libvirtError("no")


@pytest.fixture
def mark(tmp_path):
    return tmp_path / "mark"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(agent, "AGAIN_S", 0.0)


def test_the_mark_is_there_while_the_guest_is_frozen(mark):
    domain = Domain()

    agent.freeze(domain, mark)
    frozen = mark.exists()
    agent.thaw(domain, mark)

    assert (frozen, mark.exists()) == (True, False)


@pytest.mark.parametrize("thaws", [True, False])
def test_a_guest_that_does_not_freeze_is_asked_once_to_let_go(mark, thaws):
    domain = Domain(freezes=False, thaws=[thaws])

    with pytest.raises(libvirt.libvirtError):
        agent.freeze(domain, mark)

    assert (domain.asked, mark.exists()) == (["freeze", "thaw"], False)


def test_a_guest_that_was_asked_and_said_nothing_is_asked_until_it_lets_go(mark, monkeypatch):
    monkeypatch.setattr(agent, "FREEZE_S", 1e-9)
    domain = Domain(freezes=False, thaws=[False, False, True])

    with pytest.raises(libvirt.libvirtError):
        agent.freeze(domain, mark)

    assert (domain.asked, mark.exists()) == (["freeze", "thaw", "thaw", "thaw"], False)


def test_a_guest_that_never_lets_go_stays_marked(mark):
    domain = Domain(thaws=[False])
    agent.freeze(domain, mark)

    assert not agent.thaw(domain, mark, 0.0)

    assert mark.exists()


@pytest.mark.parametrize("freezes", [True, False])
def test_a_guest_out_of_libvirts_reach_stays_marked(mark, freezes):
    domain = Domain(freezes=freezes, thaws=[False], reached=False)

    with pytest.raises(libvirt.libvirtError):
        agent.freeze(domain, mark)
        agent.thaw(domain, mark)

    assert (domain.asked, mark.exists()) == (["freeze", "thaw"], True)
