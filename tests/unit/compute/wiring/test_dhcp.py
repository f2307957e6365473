"""What dnsmasq is started with, and the files that it watches."""

from __future__ import annotations

import dataclasses

import pytest

from nova_lite.compute.wiring import offers
from nova_lite.compute.wiring.flat import dhcp_on
from nova_lite.model.guest import GuestInterface
from nova_lite.model.ids import NetworkId, PortId

INTERFACE = GuestInterface(
    port_id=PortId("0f3a9b2c-1d4e-4f5a-8b6c-7d8e9f0a1b2c"),
    network_id=NetworkId("11111111-0000-4000-8000-000000000000"),
    bridge="nova-lite0",
    mac_address="fa:16:3e:00:00:09",
    ip_address="10.99.0.9",
    prefix_length=24,
    gateway_ip="10.99.0.1",
    mtu=1400,
)


@pytest.fixture
def hosts(tmp_path):
    made = tmp_path / "hosts"
    made.mkdir()
    return made


@pytest.fixture
def dhcp(tmp_path, hosts):
    return dhcp_on("nova-lite0", tmp_path)


def test_dnsmasq_serves_one_bridge_and_gives_out_only_what_is_written_down(dhcp):
    arguments = dhcp._arguments(offers.flat(INTERFACE))

    assert {"--interface=nova-lite0", "--bind-dynamic", "--except-interface=lo", "--conf-file=/dev/null"} <= set(arguments)
    assert "--dhcp-range=10.99.0.0,static,255.255.255.0,1h" in arguments


def test_guests_are_told_of_router_packet_size_and_the_way_to_metadata(dhcp):
    options = {one.partition("=")[2] for one in dhcp._arguments(offers.flat(INTERFACE)) if one.startswith("--dhcp-option=")}

    assert options == {
        "option:mtu,1400",
        "option:router,10.99.0.1",
        "option:classless-static-route,169.254.169.254/32,10.99.0.1,0.0.0.0/0,10.99.0.1",
    }


def test_the_operators_name_servers_are_passed_on(dhcp):
    arguments = offers.flat(dataclasses.replace(INTERFACE, dns_nameservers=("9.9.9.9", "1.1.1.1")))

    assert "--dhcp-option=option:dns-server,9.9.9.9,1.1.1.1" in arguments


@pytest.mark.parametrize(
    ("hostname", "told"),
    [
        ("web", "web,"),
        ("web.example.org", "web,"),
        ("web 1,evil", "web-1-evil,"),
        ("web\nfa:16:3e:00:00:66,10.99.0.66", "web-fa-16-3e-00-00-66-10,"),
        ("", ""),
        ("é", ""),
    ],
)
def test_a_port_is_one_line_whatever_its_servers_name_is(dhcp, hosts, hostname, told):
    dhcp.add(INTERFACE, hostname)

    assert [path.name for path in hosts.iterdir()] == [INTERFACE.port_id]
    assert (hosts / INTERFACE.port_id).read_text() == f"fa:16:3e:00:00:09,10.99.0.9,{told}1h\n"


def test_a_forgotten_port_leaves_no_file_and_may_be_forgotten_again(dhcp, hosts):
    dhcp.add(INTERFACE, "web")

    for _ in range(2):
        dhcp.remove(INTERFACE)

    assert list(hosts.iterdir()) == []


def test_a_process_that_only_has_the_number_is_not_ours(dhcp, tmp_path):
    (tmp_path / "dnsmasq.pid").write_text("1\n")

    assert dhcp.pid() is None
