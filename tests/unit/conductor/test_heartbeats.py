"""What a conductor answers to heartbeats: nothing, unless the host does not know what it should."""

from __future__ import annotations

import uuid

import pytest
import sqlalchemy as sa
from workflows.servers import new_server

from nova_lite import metrics
from nova_lite.clock import SimulatedClock
from nova_lite.conductor.reconcilers.power_states import PowerStates
from nova_lite.conductor.service import ConductorParts, ConductorService
from nova_lite.conf.scheduler import SchedulerOptions
from nova_lite.db import clock
from nova_lite.db.engine import Database
from nova_lite.db.schema import create_all
from nova_lite.db.tables.journal import operations, signals
from nova_lite.inventory import claims, hosts
from nova_lite.model import wire
from nova_lite.model.guest import GuestState, PowerState
from nova_lite.model.host import HostFacts, Look
from nova_lite.model.ids import HostName
from nova_lite.model.resources import Resources
from nova_lite.model.server import ServerState
from nova_lite.rpc.compute import Tombstone, Welcome
from nova_lite.rpc.conductor import Heartbeat, PowerChange, Registration
from nova_lite.servers import records
from nova_lite.workflows import delete

FACTS = HostFacts(
    hypervisor_type="fake",
    hypervisor_version=1,
    hypervisor_hostname="h1",
    architectures=("x86_64",),
    total=Resources(vcpus=4, ram_mib=1000, disk_gib=100),
)


class Host:
    """Takes what is sent to it."""

    def __init__(self):
        self.welcomes = []

    def welcome(self, host, message):
        self.welcomes.append(message)


@pytest.fixture
def database(tmp_path):
    made = Database(f"sqlite:///{tmp_path}/db", SimulatedClock())
    create_all(made)
    made.transact(lambda tx: hosts.add_host(tx, "h1"))
    yield made
    made.dispose()


@pytest.fixture
def host():
    return Host()


@pytest.fixture
def service(database, host):
    return ConductorService(
        ConductorParts(
            database=database,
            compute=host,
            ring=lambda operation_id: None,
            ratios=SchedulerOptions(),
            power_states=PowerStates(database),
        )
    )


@pytest.fixture
def incarnation(database):
    return database.transact(lambda tx: hosts.register(tx, "h1", FACTS, SchedulerOptions()))[0]


def beat(service, incarnation):
    service.heartbeat(wire.to_plain(Heartbeat(host="h1", incarnation=incarnation)))


def test_a_heartbeat_of_the_present_incarnation_is_not_answered(service, host, incarnation):
    beat(service, incarnation)

    assert host.welcomes == []


@pytest.mark.parametrize("off", [-1, 1])
def test_a_host_of_another_incarnation_is_asked_to_register_again(service, host, incarnation, off):
    beat(service, incarnation + off)

    assert host.welcomes == [Welcome(nonce="", incarnation=0, refused=incarnation + off)]


def test_a_host_that_owes_a_removal_is_reminded_with_each_heartbeat(service, host, database, incarnation):
    database.transact(lambda tx: hosts.owe_removal(tx, "h1", "s1", fence=3, turn=2))

    beat(service, incarnation)

    owed = (Tombstone(server_id="s1", fence=3, turn=2),)
    assert host.welcomes == [Welcome(nonce="", incarnation=incarnation, tombstones=owed)]


# -- the order of looks --------------------------------------------------------------------------------------------------


@pytest.fixture
def server(database):
    """A running server whose row is at rest."""
    made = new_server(state=ServerState.ACTIVE, power_state=PowerState.RUNNING, host=HostName("h1"))
    database.transact(lambda tx: records.insert(tx, made))
    database.transact(lambda tx: records.update(tx, made.id, name="at rest"))
    database.clock.now += 60
    return made


def seen(server, incarnation, look, power):
    guests = () if power is None else (GuestState(server_id=server.id, power_state=power),)
    return wire.to_plain(Heartbeat(host="h1", incarnation=incarnation, guests=guests, look=look))


def changed(server, incarnation, look, power):
    message = PowerChange(host="h1", incarnation=incarnation, server_id=server.id, power_state=power, look=look)
    return wire.to_plain(message)


def state(database, server):
    with database.read() as tx:
        return records.get(tx, server.id).state


def refused(reason):
    return metrics.LOOKS_REFUSED.labels(reason)._value.get()


def test_a_heartbeat_that_comes_after_a_newer_one_is_not_believed_and_counted(service, host, database, incarnation, server):
    before = refused("late")
    service.heartbeat(seen(server, incarnation, 8, PowerState.RUNNING))

    service.heartbeat(seen(server, incarnation, 7, PowerState.SHUTDOWN))

    assert (state(database, server), refused("late") - before) == (ServerState.ACTIVE, 1)
    assert host.welcomes == []


def test_a_power_change_that_comes_after_a_newer_look_is_not_believed_and_counted(service, database, incarnation, server):
    before = refused("late")
    service.heartbeat(seen(server, incarnation, 8, PowerState.RUNNING))

    service.power_changed(changed(server, incarnation, 7, PowerState.SHUTDOWN))

    assert (state(database, server), refused("late") - before) == (ServerState.ACTIVE, 1)


def test_a_power_change_of_another_incarnation_is_not_believed_and_counted(service, database, incarnation, server):
    before = refused("incarnation")

    service.power_changed(changed(server, incarnation - 1, 70, PowerState.SHUTDOWN))

    assert (state(database, server), refused("incarnation") - before) == (ServerState.ACTIVE, 1)


@pytest.mark.parametrize("look", [9, None], ids=["newer", "of a host that does not count"])
def test_a_power_change_that_is_new_is_believed(service, database, incarnation, server, look):
    service.heartbeat(seen(server, incarnation, 8, PowerState.RUNNING))

    service.power_changed(changed(server, incarnation, look, PowerState.SHUTDOWN))

    assert state(database, server) == ServerState.STOPPED


def report(database, server, **look):
    """Have an operation of the server that ended with a report."""
    operation = {"id": str(uuid.uuid4()), "workflow": "start", "version": 1, "subject_kind": "server", "subject_id": server.id}
    operation |= {"params": {}, "results": {}, "state": {}, "events": [], "started_at": 1.0, "ended_at": 2.0}
    signal = {"operation_id": operation["id"], "seq": 1, "name": "report", "body": look, "created_at": 2.0}
    database.transact(lambda tx: tx.execute(operations.insert().values(**operation)))
    database.transact(lambda tx: tx.execute(signals.insert().values(**signal)))


@pytest.mark.parametrize(
    ("off", "look", "believed"),
    [(0, 9, False), (0, 7, True), (-1, 9, True), (0, None, True)],
    ids=["reported later", "reported earlier", "reported in another incarnation", "reported by a host that does not count"],
)
def test_a_look_from_before_the_last_report_on_a_server_is_not_believed(
    service, database, incarnation, server, off, look, believed
):
    report(database, server, look_incarnation=incarnation + off, look=look)

    service.heartbeat(seen(server, incarnation, 8, PowerState.SHUTDOWN))

    assert (state(database, server) == ServerState.STOPPED) is believed


def test_a_handler_that_was_stopped_meanwhile_mends_nothing(service, database, incarnation, server):
    service.heartbeat(seen(server, incarnation, 8, PowerState.RUNNING))
    stopped = (GuestState(server_id=server.id, power_state=PowerState.SHUTDOWN),)

    PowerStates(database).compare(HostName("h1"), stopped, Look(incarnation=incarnation, number=7))

    assert state(database, server) == ServerState.ACTIVE


def test_the_guests_of_a_registration_wait_for_the_first_heartbeat(service, host, database, server):
    registration = Registration(host="h1", nonce="n", facts=FACTS, counts_looks=True)
    service.register(wire.to_plain(registration))
    between = state(database, server)

    service.heartbeat(seen(server, host.welcomes[0].incarnation, 1, None))

    assert (between, state(database, server)) == (ServerState.ACTIVE, ServerState.STOPPED)


def test_the_guests_of_a_host_that_does_not_count_its_looks_are_believed_as_it_registers(service, database, server):
    service.register(wire.to_plain(Registration(host="h1", nonce="n", facts=FACTS)))

    assert state(database, server) == ServerState.STOPPED


def test_a_heartbeat_costs_no_statement_for_its_order(service, database, incarnation):
    statements = []
    sa.event.listen(database.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    service.heartbeat(wire.to_plain(Heartbeat(host="h1", incarnation=incarnation)))
    without = len(statements)
    service.heartbeat(wire.to_plain(Heartbeat(host="h1", incarnation=incarnation, look=2)))

    assert len(statements) == 2 * without


# -- operations that wait for a host -------------------------------------------------------------------------------------


@pytest.fixture
def is_woken(database, server):
    """Tell whether an operation on a server of h1 was made due, and have it wait for an hour more."""

    def wait(tx):
        tx.execute(operations.update().values(wake_at=clock.now_sql(database) + 3600))

    def woken():
        with database.read() as tx:
            due = tx.execute(sa.select(operations.c.wake_at <= clock.now_sql(database))).scalar_one()
        database.transact(wait)
        return bool(due)

    def begin(tx):
        claims.claim(tx, HostName("h1"), server.id, server.flavor.resources())
        delete.begin(tx, server, user_id=None, request_id=None)
        wait(tx)

    database.transact(begin)
    return woken


def test_the_first_look_of_an_incarnation_wakes_what_waits_for_the_host(service, incarnation, is_woken):
    beats = [wire.to_plain(Heartbeat(host="h1", incarnation=incarnation, look=number)) for number in (1, 2)]

    service.heartbeat(beats[0])
    first = is_woken()
    service.heartbeat(beats[1])

    assert first
    assert not is_woken()
