"""The embedded network service: ports made once, addresses never twice."""

from __future__ import annotations

import dataclasses
import threading

import pytest

from nova_lite import errors
from nova_lite.conf.network import NetworkOptions
from nova_lite.db.engine import Database
from nova_lite.db.schema import create_all
from nova_lite.model.ids import HostName, PortId, ProjectId, ServerId
from nova_lite.model.network import Port
from nova_lite.model.server import RequestedNetwork
from nova_lite.network import addresses, records
from nova_lite.network.bootstrap import bootstrap
from nova_lite.network.port import PortOrder, shown_addresses
from nova_lite.network.service import Networks

PROJECT = ProjectId("p" * 32)


@pytest.fixture
def networks(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/db")
    create_all(database)
    bootstrap(database, NetworkOptions(cidr="10.7.0.0/28"))
    yield Networks(database)
    database.dispose()


def order(networks: Networks, server: str = "s1", **changes: object) -> PortOrder:
    requested = networks.resolve(PROJECT, (), auto=False)
    plain = PortOrder(
        key=f"{server}:ports",
        server_id=ServerId(server),
        project_id=PROJECT,
        host=HostName("h1"),
        hostname=server,
        zone="nova",
        requested=requested,
    )
    return dataclasses.replace(plain, **changes)


def ports(networks: Networks) -> tuple[Port, ...]:
    with networks.database.read() as tx:
        return records.list_ports(tx)


def own_port(networks: Networks, project: str = PROJECT) -> Port:
    with networks.database.read() as tx:
        (subnet,) = records.list_subnets(tx)
    port = Port(
        id=PortId(f"port-of-{project}"),
        network_id=subnet.network_id,
        project_id=ProjectId(project),
        name="mine",
        mac_address=addresses.new_mac(),
        fixed_ips=(),
    )
    return networks.database.transact(lambda tx: records.insert_port(tx, port, (subnet,)))


def test_setting_up_twice_makes_one_network(networks):
    bootstrap(networks.database)

    with networks.database.read() as tx:
        (network,) = records.list_networks(tx)
    assert network.shared
    assert len(network.subnet_ids) == 1


def test_a_request_without_networks_gets_the_only_one(networks):
    (requested,) = networks.resolve(PROJECT, (), auto=False)

    assert networks.network_name(requested.network_id) == "flat"


def test_the_first_port_gets_the_first_address_of_the_pool(networks):
    (bound,) = networks.ensure_ports(order(networks))

    assert bound.interface.ip_address == "10.7.0.2"
    assert bound.interface.gateway_ip == "10.7.0.1"
    assert bound.interface.prefix_length == 28
    assert bound.network_name == "flat"


def test_a_tag_is_handed_on_with_the_interface(networks):
    (network,) = networks.resolve(PROJECT, (), auto=False)

    asked = (dataclasses.replace(network, tag="storage"), network)
    tagged, plain = networks.ensure_ports(order(networks, requested=asked))

    assert (tagged.interface.tag, plain.interface.tag) == ("storage", None)


def test_asking_twice_finds_the_first_ports(networks):
    first = networks.ensure_ports(order(networks))
    second = networks.ensure_ports(order(networks))

    assert first == second
    assert len(ports(networks)) == 1


def test_another_host_takes_the_ports_over(networks):
    networks.ensure_ports(order(networks))
    networks.ensure_ports(order(networks, host=HostName("h2")))

    assert [port.host for port in ports(networks)] == ["h2"]


def test_a_named_address_is_given_or_refused(networks):
    network = order(networks).requested[0].network_id
    wanted = (RequestedNetwork(network_id=network, fixed_ip="10.7.0.9"),)

    (bound,) = networks.ensure_ports(order(networks, requested=wanted))

    assert bound.interface.ip_address == "10.7.0.9"
    with pytest.raises(errors.Conflict):
        networks.ensure_ports(order(networks, server="s2", requested=wanted))


@pytest.mark.parametrize("address", ["10.8.0.1", "10.7.0.0", "10.7.0.15", "nonsense", "10.7.0.1"])
def test_an_address_that_no_port_can_have_is_refused_before_it_is_accepted(networks, address):
    network = order(networks).requested[0].network_id

    with pytest.raises((errors.BadRequest, errors.Conflict)):
        networks.resolve(PROJECT, (RequestedNetwork(network_id=network, fixed_ip=address),), auto=False)


def test_what_cannot_be_had_is_refused_before_it_is_accepted(networks):
    mine = own_port(networks)
    taken = RequestedNetwork(network_id=mine.network_id, fixed_ip=mine.fixed_ips[0].ip_address)

    with pytest.raises(errors.BadRequest, match="in use"):
        networks.resolve(PROJECT, (taken,), auto=False)
    with pytest.raises(errors.BadRequest, match="twice"):
        networks.resolve(PROJECT, (RequestedNetwork(port_id=mine.id),) * 2, auto=False)


def test_removing_deletes_what_was_made_and_gives_back_the_users_own(networks):
    mine = own_port(networks)
    requested = (*order(networks).requested, RequestedNetwork(network_id=mine.network_id, port_id=mine.id))
    networks.ensure_ports(order(networks, requested=requested))

    for _ in range(2):
        networks.remove_ports(ServerId("s1"))

    (left,) = ports(networks)
    assert left.id == mine.id
    assert left.server_id is None


def test_a_port_in_use_cannot_be_had(networks):
    mine = own_port(networks)
    requested = (RequestedNetwork(network_id=mine.network_id, port_id=mine.id),)
    networks.ensure_ports(order(networks, requested=requested))

    with pytest.raises(errors.Conflict):
        networks.resolve(PROJECT, requested, auto=False)
    with pytest.raises(errors.Conflict):
        networks.ensure_ports(order(networks, server="s2", requested=requested))


def test_another_project_s_port_does_not_exist(networks):
    foreign = own_port(networks, project="q" * 32)

    with pytest.raises(errors.BadRequest):
        networks.resolve(PROJECT, (RequestedNetwork(port_id=foreign.id),), auto=False)


def test_a_full_network_says_so_and_leaves_no_half_port(networks):
    given = 0
    with pytest.raises(errors.Conflict):
        for given in range(20):
            networks.ensure_ports(order(networks, server=f"s{given}"))

    assert given == 9
    assert len(ports(networks)) == given


def test_a_freed_address_rests_until_the_others_were_given(networks):
    for number in range(3):
        networks.ensure_ports(order(networks, server=f"s{number}"))
    networks.remove_ports(ServerId("s1"))

    given = [networks.ensure_ports(order(networks, server=f"t{number}"))[0].interface.ip_address for number in range(7)]

    assert given == ["10.7.0.5", "10.7.0.6", "10.7.0.7", "10.7.0.8", "10.7.0.9", "10.7.0.10", "10.7.0.3"]


def test_many_at_once_get_different_addresses(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/db")
    create_all(database)
    bootstrap(database)
    networks = Networks(database)
    threads = [
        threading.Thread(target=networks.ensure_ports, args=(order(networks, server=f"s{number}"),)) for number in range(50)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    given = [port.fixed_ips[0].ip_address for port in ports(networks)]
    assert len(given) == len(set(given)) == 50
    database.dispose()


# -- one more, for a server that is there --------------------------------------------------------------------------------


def take(networks: Networks, one: RequestedNetwork | None = None, key: str = "op:attach_interface", **changes: object) -> Port:
    asked = order(networks, requested=(one,) if one else (), key=key, **changes)
    bound = networks.database.transact(lambda tx: networks.take_port(tx, asked))
    with networks.database.read() as tx:
        return records.get_port(tx, bound.interface.port_id)


def give_up(networks: Networks, port: Port, server: str = "s1") -> None:
    networks.database.transact(lambda tx: networks.give_up_port(tx, ServerId(server), port.id))


def test_a_port_that_was_made_for_a_server_goes_when_it_is_given_up(networks):
    networks.ensure_ports(order(networks))

    made = take(networks)

    assert (made.server_id, made.host, made.status) == ("s1", "h1", "DOWN")
    networks.database.transact(lambda tx: networks.settle_port(tx, made.id))
    assert [port.status for port in networks.ports_of(ServerId("s1"))] == ["DOWN", "ACTIVE"]
    for _ in range(2):
        give_up(networks, made)
    assert made.id not in {port.id for port in ports(networks)}
    assert len(networks.ports_of(ServerId("s1"))) == 1


def test_a_users_own_port_is_free_when_it_is_given_up(networks):
    mine = own_port(networks)

    taken = take(networks, RequestedNetwork(port_id=mine.id))
    give_up(networks, taken, server="another")
    assert networks.ports_of(ServerId("s1")) == (taken,)
    give_up(networks, taken)

    (free,) = ports(networks)
    assert (free.server_id, free.host, free.device_owner, free.status) == (None, None, "", "DOWN")
    assert free.fixed_ips == mine.fixed_ips


def test_what_cannot_be_attached_is_refused_and_nothing_is_taken(networks):
    mine, foreign = own_port(networks), own_port(networks, "q" * 32)
    used = take(networks, RequestedNetwork(port_id=mine.id))
    address = RequestedNetwork(network_id=mine.network_id, fixed_ip=foreign.fixed_ips[0].ip_address)
    refused = (
        (RequestedNetwork(port_id=used.id), errors.Conflict),
        (RequestedNetwork(port_id=foreign.id), errors.NotFound),
        (RequestedNetwork(port_id="none"), errors.NotFound),
        (RequestedNetwork(network_id="none"), errors.NotFound),
        (address, errors.Conflict),
        (dataclasses.replace(address, fixed_ip="10.8.0.1"), errors.BadRequest),
    )

    for number, (one, kind) in enumerate(refused):
        with pytest.raises(kind):
            take(networks, one, key=f"{number}:attach_interface")

    assert {port.id for port in ports(networks)} == {mine.id, foreign.id}


def test_when_no_address_is_free_the_request_is_at_fault(networks):
    for number in range(20):
        try:
            take(networks, key=f"{number}:attach_interface")
        except errors.BadRequest as error:
            assert "no free address" in error.message
            break
    else:
        pytest.fail("a network of 16 addresses gave 20")

    assert len(ports(networks)) == number


def test_a_ports_first_address_stays_the_first_though_a_lower_one_is_added(networks):
    blocker = own_port(networks)
    (bound,) = networks.ensure_ports(order(networks))
    port_id, first = bound.interface.port_id, bound.interface.ip_address
    with networks.database.read() as tx:
        lower = records.get_port(tx, blocker.id).fixed_ips[0].ip_address
    networks.database.transact(lambda tx: networks.give_up_address(tx, blocker.id, lower))

    taken = networks.database.transact(lambda tx: networks.take_address(tx, port_id))

    assert taken == lower < first
    (now,) = networks.bound_ports(ServerId("s1"))
    assert (now.interface.ip_address, now.interface.more_addresses) == (first, (lower,))
    assert [one.ip_address for one in shown_addresses((now,))] == [first, lower]
    networks.database.transact(lambda tx: networks.give_up_address(tx, port_id, first))
    (now,) = networks.bound_ports(ServerId("s1"))
    assert now.interface.addresses == (lower,)
