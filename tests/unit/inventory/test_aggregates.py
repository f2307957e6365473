"""What the scheduler reads of aggregates."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from nova_lite import errors
from nova_lite.conf.scheduler import SchedulerOptions
from nova_lite.db.engine import Database
from nova_lite.db.schema import create_all
from nova_lite.inventory import aggregates, claims, hosts
from nova_lite.model.host import HostFacts
from nova_lite.model.ids import HostName, ServerId
from nova_lite.model.resources import Resources


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/db")
    create_all(database)
    for name in ("a", "b", "c"):
        facts = HostFacts(
            hypervisor_type="fake",
            hypervisor_version=1,
            hypervisor_hostname=name,
            architectures=("x86_64",),
            total=Resources(vcpus=4, ram_mib=1000, disk_gib=100),
        )
        database.transact(lambda tx, name=name: hosts.add_host(tx, HostName(name)))
        database.transact(lambda tx, name=name, facts=facts: hosts.register(tx, HostName(name), facts, SchedulerOptions()))
    yield database
    database.dispose()


def make(database, name, members, **metadata):
    def work(tx):
        made = aggregates.create(tx, name, None)
        aggregates.set_metadata(tx, made.id, metadata)
        for host in members:
            aggregates.add_host(tx, made.id, host)
        return made.id

    return database.transact(work)


def read(database):
    with database.read() as tx:
        return {host.name: host for host in hosts.list_for_choice(tx)}


def test_a_host_has_all_values_of_all_its_aggregates(database):
    make(database, "first", ["a", "b"], ssd="true", rack="1, 2")
    make(database, "second", ["b"], rack="3")

    found = read(database)

    assert dict(found["a"].aggregate_values) == {"ssd": {"true"}, "rack": {"1", "2"}}
    assert dict(found["b"].aggregate_values) == {"ssd": {"true"}, "rack": {"1", "2", "3"}}
    assert dict(found["c"].aggregate_values) == {}


def test_hosts_of_the_same_aggregates_share_what_they_have(database):
    make(database, "first", ["a", "b"], ssd="true")

    found = read(database)

    assert found["a"].aggregate_metadata is found["b"].aggregate_metadata


def test_hosts_are_read_with_two_statements_however_many_aggregates_there_are(database):
    for number in range(5):
        make(database, f"g{number}", ["a", "b"], key=str(number))
    seen = []
    sa.event.listen(database.engine, "before_cursor_execute", lambda c, cursor, text, *rest: seen.append(text))

    read(database)

    assert len([text for text in seen if text.startswith("SELECT")]) == 2


def test_a_claim_on_a_host_that_left_the_zone_is_refused(database):
    asked = Resources(vcpus=1, ram_mib=100, disk_gib=1)
    group = make(database, "east", ["a"], availability_zone="east")
    database.transact(lambda tx: aggregates.remove_host(tx, group, "a"))

    with pytest.raises(errors.NoRoom):
        database.transact(lambda tx: claims.claim(tx, HostName("a"), ServerId("s"), asked, zone="east"))
    database.transact(lambda tx: claims.claim(tx, HostName("a"), ServerId("s"), asked, zone="nova"))


def test_a_host_with_a_claim_keeps_its_zone(database):
    database.transact(lambda tx: claims.claim(tx, HostName("a"), ServerId("s"), Resources(vcpus=1)))

    with pytest.raises(errors.Conflict):
        make(database, "east", ["a"], availability_zone="east")
    make(database, "same", ["a"], availability_zone="nova")

    assert read(database)["a"].facts.zone == "nova"
