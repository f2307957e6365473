"""Guests that changed their power by themselves: their rows follow once they have rested, by one clock for all conductors."""

from __future__ import annotations

import pytest
from workflows.servers import add_host, new_server

from nova_lite.clock import SimulatedClock
from nova_lite.conductor.reconcilers.power_states import PowerStates
from nova_lite.db import differences
from nova_lite.db.engine import Database
from nova_lite.db.schema import create_all
from nova_lite.model.guest import GuestState, PowerState
from nova_lite.model.ids import HostName
from nova_lite.model.server import ServerState
from nova_lite.servers import records

H1 = HostName("h1")


class Skewed(SimulatedClock):
    """A clock whose time of day is wrong by `by_s`."""

    by_s = 0.0

    def wall(self):
        return self.now + self.by_s


@pytest.fixture
def database(tmp_path):
    made = Database(f"sqlite:///{tmp_path}/db", Skewed())
    create_all(made)
    made.transact(lambda tx: add_host(tx, H1))
    yield made
    made.dispose()


@pytest.fixture
def server(database):
    """A running server whose row was changed just now."""
    made = new_server(state=ServerState.ACTIVE, power_state=PowerState.RUNNING, host=H1)
    database.transact(lambda tx: records.insert(tx, made))
    database.transact(lambda tx: records.update(tx, made.id, name="changed"))
    return made


def state(database, server):
    with database.read() as tx:
        return records.get(tx, server.id).state


def strangers(database):
    with database.read() as tx:
        return [row["server_id"] for row in differences.select_strangers(tx, H1)]


@pytest.mark.parametrize("by_s", [-3600, 0, 3600])
def test_a_row_at_rest_follows_and_one_just_changed_does_not_whatever_the_time_of_day(database, server, by_s):
    database.clock.by_s = by_s  # another conductor than the one that changed the row
    states = PowerStates(database)
    seen = (GuestState(server_id=server.id, power_state=PowerState.SHUTDOWN),)

    database.clock.now += 15
    states.compare(H1, seen)
    early = state(database, server)
    database.clock.now += 6
    states.compare(H1, seen)

    assert (early, state(database, server)) == (ServerState.ACTIVE, ServerState.STOPPED)


def test_a_row_changed_before_the_machines_reboot_is_at_rest(database, server):
    database.clock.now, database.clock.boot = 50.0, "boot-2"

    PowerStates(database).changed(H1, server.id, PowerState.CRASHED)

    assert state(database, server) == ServerState.STOPPED


@pytest.mark.parametrize("by_s", [-3600, 0, 3600])
def test_a_guest_whose_server_ended_just_now_is_no_stranger_whatever_the_time_of_day(database, server, by_s):
    wall = database.clock.wall()
    database.transact(lambda tx: records.update(tx, server.id, state=ServerState.DELETED, host=None, terminated_at=wall))
    database.clock.by_s = by_s  # another conductor than the one that wrote when it ended
    seen = (GuestState(server_id=server.id, power_state=PowerState.RUNNING),)

    database.clock.now += 5
    PowerStates(database).compare(H1, seen)
    early = strangers(database)
    database.clock.now += 60
    PowerStates(database).compare(H1, seen)

    assert (early, strangers(database)) == ([], [server.id])
