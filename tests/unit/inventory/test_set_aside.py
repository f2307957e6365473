"""A host on which builds fail in a row is set aside, gets one build on trial, and comes back when that works."""

from __future__ import annotations

import pytest

from nova_lite.clock import SimulatedClock
from nova_lite.conf.scheduler import SchedulerOptions
from nova_lite.db.engine import Database
from nova_lite.db.hosts import ASIDE_AT_MOST_S, ASIDE_S
from nova_lite.db.schema import create_all
from nova_lite.inventory import hosts
from nova_lite.model.host import FAILURES_BORNE, HostFacts
from nova_lite.model.ids import HostName
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
    database.transact(lambda tx: hosts.add_host(tx, HOST))
    database.transact(lambda tx: hosts.register(tx, HOST, FACTS, SchedulerOptions()))
    yield database
    database.dispose()


def look(database: Database):
    with database.read() as tx:
        return hosts.get_host(tx, HOST)


def fail(database: Database, times: int = 1) -> None:
    for _ in range(times):
        database.transact(lambda tx: hosts.build_failed(tx, HOST, "no bridge br0"))


def try_out(database: Database) -> bool:
    return database.transact(lambda tx: hosts.begin_trial(tx, HOST))


def test_a_host_bears_some_failures_and_is_set_aside_at_the_third(database):
    fail(database, FAILURES_BORNE - 1)
    assert look(database).why_aside is None

    fail(database)

    assert look(database).set_aside_s == pytest.approx(ASIDE_S)
    assert look(database).why_aside == "3 builds in a row failed; set aside for 5 more min; last: no bridge br0"


def test_a_good_build_between_begins_the_count_anew(database):
    fail(database, FAILURES_BORNE - 1)

    database.transact(lambda tx: hosts.build_worked(tx, HOST))
    fail(database)

    assert (look(database).failed_in_row, look(database).set_aside_s) == (1, None)


def test_builds_that_had_begun_before_do_not_lengthen_the_time_aside(database):
    fail(database, FAILURES_BORNE)

    fail(database, 20)

    assert look(database).set_aside_s == pytest.approx(ASIDE_S)


def test_after_the_time_one_build_is_on_trial_and_only_one(database, clock):
    fail(database, FAILURES_BORNE)
    assert not try_out(database)
    clock.sleep(ASIDE_S + 1)
    assert look(database).on_trial

    assert [try_out(database) for _ in range(3)] == [True, False, False]

    assert look(database).set_aside_s == pytest.approx(2 * ASIDE_S)


def test_trials_in_vain_become_rarer_up_to_an_hour(database, clock):
    fail(database, FAILURES_BORNE)
    times = []
    for _ in range(6):
        times.append(look(database).set_aside_s)
        clock.sleep(times[-1] + 1)
        assert try_out(database)

    assert times == pytest.approx([300, 600, 1200, 2400, 3600, ASIDE_AT_MOST_S])


@pytest.mark.parametrize(
    "back",
    [
        lambda tx: hosts.build_worked(tx, HOST),
        lambda tx: hosts.set_enabled(tx, HOST, enabled=True),
    ],
)
def test_a_good_build_or_the_operator_brings_it_back(database, back):
    fail(database, FAILURES_BORNE)

    database.transact(back)

    assert (look(database).failed_in_row, look(database).why_aside, look(database).last_failure) == (0, None, None)


def test_a_time_of_an_earlier_boot_of_the_machine_means_nothing(database, clock):
    clock.sleep(10 * ASIDE_AT_MOST_S)
    fail(database, FAILURES_BORNE)

    clock.boot, clock.now = "boot-2", 60.0
    database.transact(lambda tx: hosts.register(tx, HOST, FACTS, SchedulerOptions()))

    assert look(database).set_aside_s is None
