"""A live migration that was given up and does not end: which connections are cut, and how long libvirt is waited for."""

from __future__ import annotations

import threading
import types

import libvirt
import pytest

from nova_lite.compute.virt.driver import Stopped, VirtError
from nova_lite.compute.virt.libvirt import domains, live
from nova_lite.model.ids import ServerId

SERVER = ServerId("5e7ae91a-0000-4000-8000-000000000001")
RUNNING = (libvirt.VIR_DOMAIN_RUNNING, 0)
GOING = (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_MIGRATION)


class Tunnels:
    """Counts what is cut."""

    def __init__(self):
        self.ended = []

    def cut(self, *kinds):
        self.ended += kinds


class Connection:
    """A libvirt that has one domain in a state, or does not answer."""

    def __init__(self, state):
        self.state = state

    def run(self, act):
        if self.state == "hangs":
            raise VirtError("The hypervisor does not answer.", code="unavailable")
        return act(self)


@pytest.fixture
def play(monkeypatch):
    monkeypatch.setattr(domains, "find", lambda connection, _host, _server_id: connection.state and Domain(connection.state))
    for name, seconds in (("LOOK_S", 0.01), ("OBEYS_S", 0.1), ("RETURNS_S", 0.3)):
        monkeypatch.setattr(live, name, seconds)

    def play(state, *, returns=True):
        """Give a migration up at once; libvirt returns when its connections are cut, or never."""
        tunnels, over = Tunnels(), threading.Event()
        parts = types.SimpleNamespace(place=types.SimpleNamespace(host="h1"))
        moves = live.LibvirtLive(parts, None, Connection(state))

        def migrate(_act, _stop):
            while not over.wait(0.01):
                if returns and "libvirt" in tunnels.ended:
                    raise VirtError("The connection was reset.", code="live")

        monkeypatch.setattr(moves, "_try", migrate)
        monkeypatch.setattr(moves, "_watch", lambda _server_id, _stop: None)
        stop = threading.Event()
        stop.set()
        threading.Timer(1.5, over.set).start()  # the migration that is never cut comes to its end
        try:
            moves._hand_over(SERVER, {}, tunnels, (None, 0, 0), stop)
        finally:
            over.set()
        return tunnels

    return play


class Domain:
    def __init__(self, state):
        self._state = state

    def state(self):
        return self._state


def test_of_a_guest_that_runs_here_all_connections_are_cut_and_the_move_is_over(play):
    with pytest.raises(Stopped):
        play(RUNNING)


def test_a_source_that_does_not_return_either_is_not_waited_for(play):
    with pytest.raises(VirtError) as refused:
        play(RUNNING, returns=False)

    assert refused.value.code == "unavailable"


@pytest.mark.parametrize("state", [GOING, None, "hangs"], ids=["it goes", "it is gone", "nobody says where it is"])
def test_libvirts_own_connection_stays_where_the_guest_may_be_over_there(play, state):
    tunnels = play(state)

    assert "libvirt" not in tunnels.ended
    assert {"memory", "disks"} <= set(tunnels.ended)
