"""What a conductor answers to heartbeats: nothing, unless the host does not know what it should."""

from __future__ import annotations

import pytest

from nova_lite.clock import SimulatedClock
from nova_lite.conductor.reconcilers.power_states import PowerStates
from nova_lite.conductor.service import ConductorParts, ConductorService
from nova_lite.conf.scheduler import SchedulerOptions
from nova_lite.db.engine import Database
from nova_lite.db.schema import create_all
from nova_lite.inventory import hosts
from nova_lite.model import wire
from nova_lite.model.host import HostFacts
from nova_lite.model.resources import Resources
from nova_lite.rpc.compute import Tombstone, Welcome
from nova_lite.rpc.conductor import Heartbeat

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

    assert host.welcomes == [Welcome(nonce="", incarnation=0)]


def test_a_host_that_owes_a_removal_is_reminded_with_each_heartbeat(service, host, database, incarnation):
    database.transact(lambda tx: hosts.owe_removal(tx, "h1", "s1", fence=3, turn=2))

    beat(service, incarnation)

    owed = (Tombstone(server_id="s1", fence=3, turn=2),)
    assert host.welcomes == [Welcome(nonce="", incarnation=incarnation, tombstones=owed)]
