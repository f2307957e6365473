"""Claims: all or nothing, never over the limit."""

from __future__ import annotations

import threading

import pytest

from nova_lite import errors
from nova_lite.conf.scheduler import SchedulerOptions
from nova_lite.db.engine import Database
from nova_lite.db.schema import create_all
from nova_lite.inventory import claims, hosts
from nova_lite.model.host import HostFacts
from nova_lite.model.ids import HostName, ServerId
from nova_lite.model.resources import ClaimRole, Resources

HOST = HostName("h1")
ASKED = Resources(vcpus=1, ram_mib=100, disk_gib=1)


def facts(**total: int) -> HostFacts:
    return HostFacts(
        hypervisor_type="fake",
        hypervisor_version=1,
        hypervisor_hostname="h1",
        architectures=("x86_64",),
        total=Resources(**{"vcpus": 4, "ram_mib": 1000, "disk_gib": 100, **total}),
    )


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/db")
    create_all(database)
    database.transact(lambda tx: hosts.add_host(tx, HOST))
    database.transact(lambda tx: hosts.register(tx, HOST, facts(), SchedulerOptions()))
    yield database
    database.dispose()


def used(database: Database) -> Resources:
    with database.read() as tx:
        return hosts.get_host(tx, HOST).used


def test_the_limit_is_what_the_host_has_less_what_is_reserved_times_the_ratio():
    reserved = HostFacts(
        hypervisor_type="fake",
        hypervisor_version=1,
        hypervisor_hostname="h1",
        architectures=(),
        total=Resources(vcpus=4, ram_mib=1000, disk_gib=100),
        reserved=Resources(ram_mib=200, disk_gib=10),
    )

    limit = hosts.limit_of(reserved, SchedulerOptions(cpu_ratio=2.5))

    assert limit == Resources(vcpus=10, ram_mib=800, disk_gib=90)


def test_a_claim_takes_all_of_what_is_asked(database):
    database.transact(lambda tx: claims.claim(tx, HOST, ServerId("s1"), ASKED))

    assert used(database) == ASKED


def test_what_does_not_fit_takes_nothing(database):
    with pytest.raises(errors.NoRoom):
        database.transact(lambda tx: claims.claim(tx, HOST, ServerId("s1"), Resources(vcpus=1, ram_mib=1001)))

    assert used(database) == Resources()


@pytest.mark.parametrize("change", [{"enabled": False}, {"forced_down": True}])
def test_a_host_that_takes_no_servers_cannot_be_claimed(database, change):
    if "enabled" in change:
        database.transact(lambda tx: hosts.set_enabled(tx, HOST, enabled=False, reason="maintenance"))
    else:
        database.transact(lambda tx: hosts.set_forced_down(tx, HOST, forced_down=True))

    with pytest.raises(errors.NoRoom):
        database.transact(lambda tx: claims.claim(tx, HOST, ServerId("s1"), ASKED))


def test_fifty_claims_at_once_never_overbook(database):
    refused = []

    def claim(number: int) -> None:
        try:
            database.transact(lambda tx: claims.claim(tx, HOST, ServerId(f"s{number}"), ASKED))
        except errors.NoRoom:
            refused.append(number)

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert used(database).ram_mib == 1000
    assert len(refused) == 40


def test_releasing_twice_gives_back_once(database):
    database.transact(lambda tx: claims.claim(tx, HOST, ServerId("s1"), ASKED))
    database.transact(lambda tx: claims.claim(tx, HOST, ServerId("s2"), ASKED))

    for _ in range(2):
        database.transact(lambda tx: claims.release(tx, ServerId("s1")))

    assert used(database) == ASKED


def test_a_server_may_hold_two_claims_of_different_roles(database):
    database.transact(lambda tx: claims.claim(tx, HOST, ServerId("s1"), ASKED))
    database.transact(lambda tx: claims.claim(tx, HOST, ServerId("s1"), ASKED, ClaimRole.INCOMING))

    database.transact(lambda tx: claims.release(tx, ServerId("s1"), ClaimRole.INCOMING))

    assert used(database) == ASKED


def test_a_claim_without_server_is_an_orphan_and_is_given_back(database):
    database.transact(lambda tx: claims.claim(tx, HOST, ServerId("gone"), ASKED))

    freed = database.transact(claims.release_orphans)

    assert freed == ("gone",)
    assert used(database) == Resources()


def test_a_difference_between_claims_and_used_is_found_and_mended(database):
    database.transact(lambda tx: claims.claim(tx, HOST, ServerId("s1"), ASKED))
    database.transact(lambda tx: claims.queries.give_back(tx, HOST, Resources(ram_mib=50)))
    with database.read() as tx:
        ((host, _, claimed, generation),) = claims.differences(tx)

    mended = database.transact(lambda tx: claims.mend_used(tx, host, claimed, generation))

    assert mended
    assert used(database) == ASKED


def test_a_host_that_changed_meanwhile_is_not_mended(database):
    database.transact(lambda tx: claims.claim(tx, HOST, ServerId("s1"), ASKED))

    assert not database.transact(lambda tx: claims.mend_used(tx, HOST, Resources(), 0))


DEDICATED = Resources(pcpus=2, pages_2m=256, disk_gib=1)


def test_dedicated_cpus_and_huge_pages_are_never_given_twice(database):
    database.transact(lambda tx: hosts.change_facts(tx, HOST, facts(pcpus=7, pages_2m=1024), SchedulerOptions(cpu_ratio=16.0)))
    refused = []

    def claim(number: int) -> None:
        try:
            database.transact(lambda tx: claims.claim(tx, HOST, ServerId(f"s{number}"), DEDICATED))
        except errors.NoRoom:
            refused.append(number)

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert used(database) == Resources(pcpus=6, pages_2m=768, disk_gib=3)
    assert len(refused) == 9


def test_dedicated_cpus_and_huge_pages_come_back_with_their_claim(database):
    database.transact(lambda tx: hosts.change_facts(tx, HOST, facts(pcpus=4, pages_2m=512, pages_1g=1), SchedulerOptions()))
    for server, asked in (("s1", DEDICATED), ("s2", Resources(pages_1g=1, vcpus=1)), ("gone", DEDICATED)):
        database.transact(lambda tx, server=server, asked=asked: claims.claim(tx, HOST, ServerId(server), asked))

    database.transact(lambda tx: claims.release(tx, ServerId("s1")))
    between = used(database)
    database.transact(lambda tx: claims.release_orphans(tx, ServerId("gone")))

    assert between == DEDICATED.plus(Resources(pages_1g=1, vcpus=1))
    assert used(database) == Resources(pages_1g=1, vcpus=1)


def test_what_is_booked_of_dedicated_cpus_is_mended_too(database):
    database.transact(lambda tx: hosts.change_facts(tx, HOST, facts(pcpus=4, pages_2m=512), SchedulerOptions()))
    database.transact(lambda tx: claims.claim(tx, HOST, ServerId("s1"), DEDICATED))
    database.transact(lambda tx: claims.queries.give_back(tx, HOST, Resources(pcpus=1, pages_2m=6)))
    with database.read() as tx:
        ((host, _, claimed, generation),) = claims.differences(tx)

    assert database.transact(lambda tx: claims.mend_used(tx, host, claimed, generation))
    assert used(database) == DEDICATED


def test_a_host_without_such_cpus_gives_none(database):
    with pytest.raises(errors.NoRoom):
        database.transact(lambda tx: claims.claim(tx, HOST, ServerId("s1"), Resources(pcpus=1)))
