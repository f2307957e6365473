"""Addresses on PostgreSQL and MariaDB: never given twice, and never said to be used up when they are not."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import ipaddress
import threading

import pytest

from nova_lite import errors
from nova_lite.conf.network import NetworkOptions
from nova_lite.db import networks as queries
from nova_lite.db.engine import Tx
from nova_lite.model.ids import HostName, ProjectId, ServerId
from nova_lite.model.network import Port
from nova_lite.network import ports, records
from nova_lite.network.bootstrap import bootstrap
from nova_lite.network.port import PortOrder
from nova_lite.network.ports import NewPort
from nova_lite.network.service import Networks

PROJECT = ProjectId("p" * 32)


@pytest.fixture
def networks(database):
    bootstrap(database, NetworkOptions(cidr="10.7.0.0/26"))  # 57 addresses for ports
    return Networks(database)


def boot(networks: Networks, number: int) -> str:
    order = PortOrder(
        key=f"{number}:ports",
        server_id=ServerId(f"s{number}"),
        project_id=PROJECT,
        host=HostName("h1"),
        hostname="vm",
        zone="nova",
        requested=networks.resolve(PROJECT, (), auto=False),
    )
    (bound,) = networks.ensure_ports(order)
    return bound.interface.ip_address


def make(networks: Networks, network_id: str) -> str:
    wanted = NewPort(network_id=network_id, project_id=PROJECT)
    port = networks.database.transact(lambda tx: ports.create(tx, wanted, seen_by=PROJECT))
    return port.fixed_ips[0].ip_address


def test_fifty_at_once_get_fifty_addresses_of_the_pool(networks):
    (requested,) = networks.resolve(PROJECT, (), auto=False)

    with concurrent.futures.ThreadPoolExecutor(30) as pool:
        asked = [
            pool.submit(boot, networks, number) if number % 2 else pool.submit(make, networks, requested.network_id)
            for number in range(50)
        ]
        given = [one.result() for one in asked]

    assert len(set(given)) == 50
    assert set(given) <= {f"10.7.0.{number}" for number in range(2, 59)}


def test_the_last_address_goes_to_one_of_many(networks):
    def attempt(number: int) -> bool:
        try:
            boot(networks, number)
        except errors.Conflict:
            return False
        return True

    with concurrent.futures.ThreadPoolExecutor(30) as pool:
        got = list(pool.map(attempt, range(70)))

    assert sum(got) == 57
    with networks.database.read() as tx:
        assert len(records.list_ports(tx)) == 57


def test_a_repeated_order_beside_itself_makes_one_port(networks):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        given = set(pool.map(lambda _: boot(networks, 1), range(8)))

    assert len(given) == 1


def test_a_deadlock_over_addresses_is_run_again_whole(networks):
    """MariaDB takes all of the transaction back then, its savepoints too."""
    (requested,) = networks.resolve(PROJECT, (), auto=False)
    wanted = NewPort(network_id=requested.network_id, project_id=PROJECT)
    made = [networks.database.transact(lambda tx: ports.create(tx, wanted, seen_by=PROJECT)) for _ in range(2)]
    both_have_one = threading.Barrier(2)
    runs = []

    def take_both(port: Port, numbers: tuple[int, int]) -> list[bool]:
        def work(tx: Tx) -> list[bool]:
            took = []
            first_run = port.id not in runs
            runs.append(port.id)
            for number in numbers:
                text = str(ipaddress.IPv4Address(number))
                took.append(queries.take_address(tx, port.fixed_ips[0].subnet_id, port.id, number, text))
                if first_run and len(took) == 1:
                    both_have_one.wait(20)
            return took

        return networks.database.transact(work)

    low = int(ipaddress.IPv4Address("10.7.0.40"))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        asked = [
            pool.submit(take_both, port, order) for port, order in zip(made, ((low, low + 1), (low + 1, low)), strict=True)
        ]
        took = sorted(one.result() for one in asked)

    assert took == [[False, False], [True, True]]
    assert len(runs) == 3


def test_a_mac_address_in_use_leaves_the_transaction_usable(networks):
    (requested,) = networks.resolve(PROJECT, (), auto=False)
    wanted = NewPort(network_id=requested.network_id, project_id=PROJECT, mac_address="fa:16:3e:00:00:01")
    other = dataclasses.replace(wanted, mac_address="fa:16:3e:00:00:02")
    networks.database.transact(lambda tx: ports.create(tx, wanted, seen_by=PROJECT))

    def work(tx: Tx) -> None:
        with pytest.raises(errors.Conflict):
            ports.create(tx, wanted, seen_by=PROJECT)
        ports.create(tx, other, seen_by=PROJECT)

    networks.database.transact(work)

    with networks.database.read() as tx:
        assert {port.mac_address for port in records.list_ports(tx)} == {wanted.mac_address, other.mac_address}
