"""What dnsmasq is told to offer on an isolated network."""

from __future__ import annotations

import dataclasses

from nova_lite.compute.wiring import offers
from nova_lite.compute.wiring.plan import Plan, Subnet, extended
from nova_lite.model.guest import GuestInterface, HostRoute
from nova_lite.model.ids import NetworkId, PortId

INTERFACE = GuestInterface(
    port_id=PortId("p1"),
    network_id=NetworkId("n1"),
    bridge="nlb0",
    mac_address="fa:16:3e:00:00:09",
    ip_address="10.9.0.9",
    prefix_length=24,
    gateway_ip="10.9.0.1",
    dns_nameservers=("9.9.9.9",),
    mtu=1450,
    segment=7,
    routes=(HostRoute(destination="10.5.0.0/16", nexthop="10.9.0.5"),),
)


def options(plan: Plan) -> list[str]:
    return [one.partition("=")[2] for one in offers.isolated(plan, "eth0") if one.startswith("--dhcp-option=")]


def test_a_range_is_offered_in_which_dnsmasq_has_no_address():
    arguments = offers.isolated(extended(None, INTERFACE, 7), "eth0")

    assert "--shared-network=eth0,10.9.0.0" in arguments
    assert "--dhcp-range=set:subnet0,10.9.0.0,static,255.255.255.0,10.9.0.255,1h" in arguments
    assert "--no-resolv" in arguments


def test_the_default_route_stands_among_the_others_too():
    assert options(extended(None, INTERFACE, 7)) == [
        "option:mtu,1450",
        "tag:subnet0,option:router,10.9.0.1",
        "tag:subnet0,option:classless-static-route,169.254.169.254/32,0.0.0.0,10.5.0.0/16,10.9.0.5,0.0.0.0/0,10.9.0.1",
        "tag:subnet0,option:dns-server,9.9.9.9",
    ]


def test_without_gateway_no_router_is_named_and_without_name_servers_dnsmasq_is_one():
    lonely = dataclasses.replace(INTERFACE, gateway_ip=None, dns_nameservers=(), routes=())

    assert options(extended(None, lonely, 7))[1:] == [
        "tag:subnet0,option:router",
        "tag:subnet0,option:classless-static-route,169.254.169.254/32,0.0.0.0",
        "tag:subnet0,option:dns-server,169.254.169.254",
    ]


def test_a_subnet_without_dhcp_is_not_offered():
    assert offers.isolated(extended(None, dataclasses.replace(INTERFACE, dhcp=False), 7), "eth0") == ("--no-resolv",)


def test_each_subnet_keeps_its_own_options_and_the_newest_word_on_one_holds():
    second = dataclasses.replace(INTERFACE, ip_address="10.8.0.9", gateway_ip=None)
    newer = dataclasses.replace(INTERFACE, ip_address="10.9.0.77", routes=())

    plan = extended(extended(extended(None, INTERFACE, 7), second, 7), newer, 7)

    told = {"dns_nameservers": ("9.9.9.9",), "dhcp": True}
    assert plan.subnets == (
        Subnet(cidr="10.8.0.0/24", gateway_ip=None, routes=INTERFACE.routes, **told),
        Subnet(cidr="10.9.0.0/24", gateway_ip="10.9.0.1", routes=(), **told),
    )
    assert {one.partition(",")[0] for one in options(plan)} == {"option:mtu", "tag:subnet0", "tag:subnet1"}


def test_the_widest_range_is_offered_by_numbers_that_dnsmasq_takes():
    wide = dataclasses.replace(INTERFACE, prefix_length=1)

    assert f"--dhcp-lease-max={1 << 20}" in offers.isolated(extended(None, wide, 7), "eth0")
