"""Names that the kernel takes, and that tell clouds and ports apart."""

from __future__ import annotations

import ipaddress

import pytest

from nova_lite.compute.wiring import bridge, firewall, tunnel, veth


def test_a_taps_name_fits_and_differs_by_port():
    one = bridge.tap_name("0f3a9b2c-1d4e-4f5a-8b6c-7d8e9f0a1b2c")
    other = bridge.tap_name("0f3a9b2c-1d5e-4f5a-8b6c-7d8e9f0a1b2c")

    assert one == "nl0f3a9b2c1d4"
    assert one != other


@pytest.mark.parametrize("name", ["nova-lite0", "nova.lite0", "nova_lite0", "novalite0"])
def test_tables_are_named_by_letters_that_rules_take(name):
    assert firewall.table_name(name).replace("_", "").isalnum()


def test_bridges_with_similar_names_have_tables_of_their_own():
    names = {firewall.tables(name)[0] for name in ("nova-lite0", "nova.lite0", "novalite0")}

    assert len(names) == 3


def test_the_links_of_an_isolated_network_fit_and_differ():
    names = {"nlb1a2b3c4d5e6f", veth.name_of("nlb1a2b3c4d5e6f"), tunnel.name_of("nlb1a2b3c4d5e6f")}

    assert len(names) == 3
    assert max(map(len, names)) <= 15


def test_networks_share_fewer_groups_than_a_socket_may_join_and_none_beyond_the_organization():
    groups = {tunnel.group_of(segment) for segment in range(1, 1000)}

    assert len(groups) == 16
    assert all(ipaddress.ip_address(group) in ipaddress.ip_network("239.192.0.0/14") for group in groups)


@pytest.mark.parametrize(("address", "wanted"), [(None, False), ("127.0.0.1", False), ("192.0.2.1", True)])
def test_a_cloud_of_one_machine_wants_no_tunnel(address, wanted):
    assert tunnel.is_wanted(address) is wanted
