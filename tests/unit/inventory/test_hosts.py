"""Hosts: incarnations, liveness, tombstones."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from nova_lite import errors
from nova_lite.clock import SimulatedClock
from nova_lite.conf.scheduler import SchedulerOptions
from nova_lite.db.engine import Database
from nova_lite.db.schema import create_all
from nova_lite.inventory import claims, hosts, services
from nova_lite.inventory.liveness import OVERDUE_S
from nova_lite.model.host import HostFacts, Look
from nova_lite.model.ids import HostName, ServerId
from nova_lite.model.resources import Resources

HOST = HostName("h1")
FACTS = HostFacts(
    hypervisor_type="fake",
    hypervisor_version=1,
    hypervisor_hostname="h1",
    architectures=("x86_64",),
    total=Resources(vcpus=4, ram_mib=1000, disk_gib=100),
)


@pytest.fixture
def clock():
    return SimulatedClock()


@pytest.fixture
def database(tmp_path, clock):
    database = Database(f"sqlite:///{tmp_path}/db", clock)
    create_all(database)
    database.transact(lambda tx: hosts.add_host(tx, HOST, zone="east"))
    yield database
    database.dispose()


def register(database: Database) -> tuple[int, tuple]:
    return database.transact(lambda tx: hosts.register(tx, HOST, FACTS, SchedulerOptions()))


def beat(database, incarnation, number=None):
    return database.transact(lambda tx: hosts.beat(tx, HOST, Look(incarnation=incarnation, number=number)))


def look(database: Database):
    with database.read() as tx:
        return hosts.get_host(tx, HOST)


def test_adding_a_host_twice_gives_the_same_key(database):
    keys = {database.transact(lambda tx: hosts.add_host(tx, HOST)) for _ in range(2)}

    assert len(keys) == 1


def test_a_host_that_nobody_added_cannot_register(database):
    with pytest.raises(errors.NotFound):
        database.transact(lambda tx: hosts.register(tx, HostName("stranger"), FACTS, SchedulerOptions()))


def test_each_start_gets_a_higher_incarnation(database):
    first, _ = register(database)
    second, _ = register(database)

    assert second > first


def test_the_operator_s_zone_counts_not_the_host_s(database):
    register(database)

    assert look(database).facts.zone == "east"


def test_a_host_is_up_until_two_heartbeats_are_missed(database, clock):
    incarnation, _ = register(database)
    clock.now += 15
    beat(database, incarnation)

    clock.now += OVERDUE_S
    assert look(database).up
    clock.now += 1
    assert not look(database).up


def test_a_heartbeat_of_an_older_incarnation_is_no_sign_of_life(database):
    old, _ = register(database)
    register(database)

    assert beat(database, old) is hosts.Age.OTHER_INCARNATION
    assert beat(database, old, 5) is hosts.Age.OTHER_INCARNATION


def test_a_heartbeat_that_was_overtaken_is_no_sign_of_life(database, clock):
    incarnation, _ = register(database)
    assert [beat(database, incarnation, number) for number in (1, 4)] == [hosts.Age.NEW] * 2

    clock.now += OVERDUE_S + 1
    assert [beat(database, incarnation, number) for number in (1, 4, 3)] == [hosts.Age.LATE] * 3

    assert not look(database).up


def test_each_incarnation_counts_its_looks_from_the_beginning(database):
    first, _ = register(database)
    beat(database, first, 900)
    second, _ = register(database)

    assert beat(database, second, 1) is hosts.Age.NEW
    assert beat(database, second, 1) is hosts.Age.LATE


def test_heartbeats_of_a_host_that_does_not_count_its_looks_are_all_believed(database):
    incarnation, _ = register(database)

    ages = [beat(database, incarnation, number) for number in (None, None, 2, None)]

    assert ages == [hosts.Age.NEW] * 4


def test_a_look_is_late_when_a_heartbeat_told_of_a_newer_one(database):
    incarnation, _ = register(database)
    beat(database, incarnation, 5)

    with database.read() as tx:
        ages = [hosts.age_of(tx, HOST, Look(incarnation=incarnation, number=number)) for number in (4, 5, 6, None)]
        other = hosts.age_of(tx, HOST, Look(incarnation=incarnation - 1, number=6))
        nobody = hosts.age_of(tx, HostName("nobody"), Look(incarnation=1, number=1))

    assert ages == [hosts.Age.LATE, hosts.Age.NEW, hosts.Age.NEW, hosts.Age.NEW]
    assert (other, nobody) == (hosts.Age.OTHER_INCARNATION,) * 2


def test_after_a_reboot_of_the_control_machine_nobody_counts_as_up_until_seen(database, clock):
    register(database)
    clock.boot = "boot-2"
    clock.now = 5.0

    assert not look(database).up


def test_a_tombstone_is_told_at_registration_until_it_is_done(database):
    register(database)
    database.transact(lambda tx: hosts.owe_removal(tx, HOST, ServerId("s1"), fence=3, turn=7))

    _, owed = register(database)
    assert [(stone.server_id, stone.fence, stone.turn) for stone in owed] == [("s1", 3, 7)]
    assert look(database).tombstones == 1

    database.transact(lambda tx: hosts.removal_done(tx, HOST, ServerId("s1"), fence=3, turn=7))
    assert register(database)[1] == ()


def test_a_newer_tombstone_survives_the_word_that_an_older_one_is_done(database):
    register(database)
    database.transact(lambda tx: hosts.owe_removal(tx, HOST, ServerId("s1"), fence=3, turn=7))
    database.transact(lambda tx: hosts.owe_removal(tx, HOST, ServerId("s1"), fence=4, turn=1))

    database.transact(lambda tx: hosts.removal_done(tx, HOST, ServerId("s1"), fence=3, turn=7))

    assert look(database).tombstones == 1


def test_a_host_with_servers_is_not_removed(database):
    register(database)
    database.transact(lambda tx: claims.claim(tx, HOST, ServerId("s1"), Resources(vcpus=1)))

    with pytest.raises(errors.Conflict):
        database.transact(lambda tx: hosts.remove_host(tx, HOST))


def test_services_list_control_daemons_and_hosts(database, clock):
    register(database)
    database.transact(lambda tx: services.beat(tx, "nova-conductor", "control"))
    database.transact(lambda tx: services.beat(tx, "nova-conductor", "control"))
    clock.now += 100

    with database.read() as tx:
        listed = services.list_services(tx)

    assert [(service.binary, service.host, service.up) for service in listed] == [
        ("nova-conductor", "control", False),
        ("nova-compute", "h1", False),
    ]


def sign_of_life(database):
    with database.read() as tx:
        return hosts.find_sign_of_life(tx, HOST)


@pytest.mark.parametrize("silent_s", [0.0, OVERDUE_S - 1, OVERDUE_S + 1, 500.0])
def test_a_hosts_sign_of_life_is_as_its_record_says(database, clock, silent_s):
    assert sign_of_life(database) is None, "it never registered"
    register(database)
    clock.now += silent_s

    record, sign = look(database), sign_of_life(database)

    assert (sign.incarnation, sign.up, sign.forced_down) == (record.incarnation, record.up, record.forced_down)
    assert sign.age_s == record.last_seen_age_s


def test_a_sign_of_life_is_read_without_counting_servers(database):
    register(database)
    statements = []
    sa.event.listen(
        database.engine, "before_cursor_execute", lambda _c, _cursor, statement, *_rest: statements.append(statement)
    )

    sign_of_life(database)

    assert not [one for one in statements if "servers" in one or "tombstones" in one]
