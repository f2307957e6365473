"""Networks that projects make: their segments, several subnets, and what guests on them are told."""

from __future__ import annotations

import threading

import pytest

from nova_lite import errors
from nova_lite.db.engine import Database
from nova_lite.db.schema import create_all
from nova_lite.model.guest import HostRoute
from nova_lite.model.ids import HostName, ProjectId, ServerId
from nova_lite.model.network import Pool
from nova_lite.model.server import RequestedNetwork
from nova_lite.network import limits, networks, records, subnets
from nova_lite.network.networks import NewNetwork
from nova_lite.network.port import PortOrder
from nova_lite.network.service import Networks
from nova_lite.network.subnets import NewSubnet

PROJECT = ProjectId("p" * 32)
SMALL = (Pool(start="10.1.0.2", end="10.1.0.2"),)


@pytest.fixture
def service(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/db")
    create_all(database)
    yield Networks(database)
    database.dispose()


def make(service: Networks, *ranges: str, **changes):
    """Make a network with subnets of these ranges."""

    def work(tx):
        network = networks.create(tx, NewNetwork(project_id=PROJECT, name="own"))
        for cidr in ranges:
            subnets.create(tx, network, NewSubnet(cidr=cidr, project_id=PROJECT, **changes))
        return network

    return service.database.transact(work)


def order(server: str, *ids: str) -> PortOrder:
    return PortOrder(
        key=f"{server}:create_ports", server_id=ServerId(server), project_id=PROJECT, host=HostName("h1"), hostname=server,
        zone="nova", requested=tuple(RequestedNetwork(network_id=one) for one in ids),
    )  # fmt: skip


def test_a_guest_is_told_segment_routes_and_dhcp_of_the_subnet_it_has_an_address_of(service):
    route = HostRoute(destination="10.9.0.0/16", nexthop="10.1.0.9")
    network = make(service, "10.1.0.0/24", enable_dhcp=False, host_routes=(route,), no_gateway=True)

    (bound,) = service.ensure_ports(order("s1", network.id))

    interface = bound.interface
    assert (interface.segment, interface.bridge) == (network.segment, network.bridge)
    assert len(interface.bridge) <= 15
    assert (interface.dhcp, interface.routes, interface.gateway_ip, interface.mtu) == (False, (route,), None, 1450)
    assert service.bound_ports(ServerId("s1")) == (bound,)


def test_a_full_subnet_gives_way_to_the_next_one(service):
    network = make(service, "10.1.0.0/24", pools=SMALL)
    service.database.transact(lambda tx: subnets.create(tx, network, NewSubnet(cidr="10.2.0.0/24", project_id=PROJECT)))

    found = service.ensure_ports(order("s1", network.id, network.id))

    assert [one.interface.ip_address for one in found] == ["10.1.0.2", "10.2.0.2"]
    assert [one.interface.gateway_ip for one in found] == ["10.1.0.1", "10.2.0.1"]


def test_every_pool_is_used_before_an_address_is_refused(service):
    pools = (Pool(start="10.1.0.2", end="10.1.0.2"), Pool(start="10.1.0.9", end="10.1.0.9"))
    network = make(service, "10.1.0.0/24", pools=pools)

    found = service.ensure_ports(order("s1", network.id, network.id))

    assert [one.interface.ip_address for one in found] == ["10.1.0.2", "10.1.0.9"]
    with pytest.raises(errors.Conflict, match=r"10\.1\.0\.0/24"):
        service.ensure_ports(order("s2", network.id))


def test_interfaces_come_in_the_order_asked_though_one_network_is_asked_twice(service):
    first, second = make(service, "10.1.0.0/24"), make(service, "10.2.0.0/24")

    found = service.ensure_ports(order("s1", first.id, second.id, first.id))

    assert [one.interface.network_id for one in found] == [first.id, second.id, first.id]
    asked = order("s1", first.id, second.id, first.id).requested
    assert service.bind_ports(ServerId("s1"), HostName("h2"), asked) == found


def test_without_a_name_the_only_network_with_a_subnet_is_meant(service):
    make(service)
    network = make(service, "10.1.0.0/24")
    assert [one.network_id for one in service.resolve(PROJECT, (), auto=False)] == [network.id]

    make(service, "10.2.0.0/24")
    with pytest.raises(errors.Conflict, match="name the ones"):
        service.resolve(PROJECT, (), auto=False)
    assert service.resolve(ProjectId("other"), (), auto=False) == ()


def test_a_server_on_a_network_without_subnet_is_refused(service):
    network = make(service)

    with pytest.raises(errors.BadRequest, match="no subnet"):
        service.resolve(PROJECT, (RequestedNetwork(network_id=network.id),), auto=False)
    with pytest.raises(errors.BadRequest, match="no subnet"):
        service.database.transact(lambda tx: service.take_port(tx, order("s1", network.id)))


def test_networks_have_different_segments_and_one_that_is_taken_is_refused(service):
    made = [make(service) for _ in range(20)]
    assert len({one.segment for one in made}) == 20

    asked = NewNetwork(project_id=PROJECT, segment=made[0].segment)
    with pytest.raises(errors.Conflict, match="another network's"):
        service.database.transact(lambda tx: networks.create(tx, asked))


def test_a_drawn_segment_that_is_taken_is_drawn_again(service, monkeypatch):
    drawn = iter([4, 4, 4, 8])
    monkeypatch.setattr(networks.secrets, "randbelow", lambda _below: next(drawn))

    assert [make(service).segment, make(service).segment] == [5, 9]


def test_requests_at_once_never_take_more_than_a_project_may_have(service, monkeypatch):
    monkeypatch.setattr(limits, "LIMITS", {"network": 3, "subnet": 2})
    refused = []

    def work():
        try:
            make(service)
        except errors.Conflict as error:
            refused.append(error.details["type"])

    threads = [threading.Thread(target=work) for _ in range(6)]
    [thread.start() for thread in threads]
    [thread.join(30) for thread in threads]

    assert refused == ["OverQuota"] * 3
    with service.database.read() as tx:
        (first, *_) = found = records.list_networks(tx)
    assert len(found) == 3
    for cidr in ("10.1.0.0/24", "10.2.0.0/24"):
        service.database.transact(lambda tx, c=cidr: subnets.create(tx, first, NewSubnet(cidr=c, project_id=PROJECT)))
    with pytest.raises(errors.Conflict, match="subnet"):
        service.database.transact(lambda tx: subnets.create(tx, first, NewSubnet(cidr="10.3.0.0/24", project_id=PROJECT)))


def test_a_subnet_of_an_earlier_release_has_its_one_pool(service):
    network = make(service, "10.1.0.0/24")
    with service.database.read() as tx:
        (subnet,) = records.list_subnets(tx)
    values = {"allocation_pools": None, "host_routes": None, "pool_start": "10.1.0.7", "pool_end": "10.1.0.8"}
    service.database.transact(lambda tx: subnets.queries.update_subnet(tx, subnet.id, values))

    (bound,) = service.ensure_ports(order("s1", network.id))

    assert bound.interface.ip_address == "10.1.0.7"


def test_a_network_that_went_meanwhile_gets_no_subnet(service):
    network = make(service)
    service.database.transact(lambda tx: networks.delete(tx, network))

    with pytest.raises(errors.NotFound, match=network.id):
        make_subnet(service, network)


def make_subnet(service, network):
    wanted = NewSubnet(cidr="10.1.0.0/24", project_id=PROJECT)
    return service.database.transact(lambda tx: subnets.create(tx, network, wanted))
