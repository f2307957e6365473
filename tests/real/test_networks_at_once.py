"""Networks and subnets of projects on PostgreSQL and MariaDB: many requests at one moment, and removals between them."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable

import pytest

from nova_lite import errors
from nova_lite.db.engine import Tx
from nova_lite.model.ids import HostName, ProjectId, ServerId
from nova_lite.model.server import RequestedNetwork
from nova_lite.network import limits, networks, records, subnets
from nova_lite.network.networks import NewNetwork
from nova_lite.network.port import PortOrder
from nova_lite.network.service import Networks
from nova_lite.network.subnets import NewSubnet

PROJECT = ProjectId("p" * 32)


def outcome(database, act: Callable[[Tx], object]) -> str:
    """Give the type of the refusal, or `done`."""
    try:
        database.transact(act)
    except (errors.Conflict, errors.BadRequest, errors.NotFound) as error:
        return str(error.details.get("type", type(error).__name__))
    return "done"


def at_once(database, *acts: Callable[[Tx], object]) -> list[str]:
    with concurrent.futures.ThreadPoolExecutor(len(acts)) as pool:
        return sorted(pool.map(lambda act: outcome(database, act), acts))


def make(database, cidr: str = ""):
    def work(tx):
        network = networks.create(tx, NewNetwork(project_id=PROJECT))
        if cidr:
            subnets.create(tx, network, NewSubnet(cidr=cidr, project_id=PROJECT))
        return network

    return database.transact(work)


def test_no_project_gets_more_networks_than_it_may_have(database, monkeypatch):
    monkeypatch.setattr(limits, "LIMITS", {"network": 4, "subnet": 100})
    acts = [lambda tx: networks.create(tx, NewNetwork(project_id=PROJECT))] * 12

    assert at_once(database, *acts) == ["OverQuota"] * 8 + ["done"] * 4


def test_of_subnets_that_overlap_one_is_made(database):
    network = make(database)
    acts = [lambda tx: subnets.create(tx, network, NewSubnet(cidr="10.1.0.0/24", project_id=PROJECT))] * 8

    assert at_once(database, *acts) == ["InvalidInput"] * 7 + ["done"]


@pytest.mark.parametrize("turn", range(6))
def test_a_network_is_removed_or_gets_a_port_and_a_subnet_but_never_half_of_both(database, turn):
    network = make(database, "10.1.0.0/24")
    service = Networks(database)

    def port(_tx):
        order = PortOrder(
            key=f"{turn}:create_ports", server_id=ServerId(f"s{turn}"), project_id=PROJECT, host=HostName("h1"),
            hostname="vm", zone="nova", requested=(RequestedNetwork(network_id=network.id),),
        )  # fmt: skip
        service.ensure_ports(order)

    found = at_once(
        database,
        port,
        lambda tx: networks.delete(tx, network),
        lambda tx: subnets.create(tx, network, NewSubnet(cidr="10.2.0.0/24", project_id=PROJECT)),
    )

    with database.read() as tx:
        places, ports = records.list_places(tx), records.list_ports(tx)
    if places:
        assert found == ["NetworkInUse", "done", "done"]
        assert [len(place.subnets) for place in places] == [2]
        assert len(ports) == 1
    else:
        assert not ports
        assert found.count("done") in (1, 2)  # the removal, and perhaps the subnet before it
