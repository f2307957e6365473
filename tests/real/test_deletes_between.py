"""A delete that meets another operation's end or beginning, on databases where others commit between two statements."""

from __future__ import annotations

import pytest
from workflows.engine_harness import Rig
from workflows.servers import CONTEXT, BootStage, SettledStage

from nova_lite.clock import SimulatedClock
from nova_lite.db import journal as queries
from nova_lite.db import schema
from nova_lite.db.engine import Database
from nova_lite.durable import journal
from nova_lite.model.guest import PowerState
from nova_lite.workflows import delete, power
from nova_lite.workflows.boot import BOOT
from nova_lite.workflows.desk import SERVER


@pytest.fixture
def database(url):
    made = Database(url, SimulatedClock(), own_time=True)
    schema.create_all(made)
    yield made
    made.dispose()


def after_the_look(monkeypatch, act):
    """Have something done by others, once, after the delete has looked for a live operation."""
    look, done = journal.live_operation, []

    def looked(tx, kind, subject_id):
        found = look(tx, kind, subject_id)
        if not done:
            done.append(True)
            act()
        return found

    monkeypatch.setattr(journal, "live_operation", looked)


def running(database, server_id):
    with database.read() as tx:
        live = journal.live_operation(tx, SERVER, server_id)
        return live, journal.signals_of(tx, live.id)


def test_a_delete_that_meets_the_end_of_a_boot_begins_where_the_guest_is(database, monkeypatch):
    stage = BootStage(database, BOOT, 1)
    rig = Rig(stage, database)
    server = stage.servers[0]
    after_the_look(monkeypatch, rig.play)

    delete.accept(stage.desk, CONTEXT, server.id)

    live, _ = running(database, server.id)
    assert live.workflow == "delete"
    with database.read() as tx:
        known_host = queries.operation(tx, live.id)["params"]["host"]
    assert known_host == stage.row(server).host is not None


def test_a_delete_that_meets_the_beginning_of_a_stop_tells_it(database, monkeypatch):
    stage = SettledStage(database, power.STOP, power.accept_stop, PowerState.RUNNING)
    server = stage.servers[0]
    after_the_look(monkeypatch, lambda: power.accept_stop(stage.desk, CONTEXT, server.id))

    delete.accept(stage.desk, CONTEXT, server.id)

    live, signals = running(database, server.id)
    assert live.workflow == "stop"
    assert [signal.name for signal in signals] == ["delete"]
