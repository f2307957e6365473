"""A real guest on networks of projects: two with one range, and what the guest says of itself."""

from __future__ import annotations

import pytest
from real.libvirtd import Libvirtd, missing
from real.netns import available, own_network
from real.test_libvirt_driver import Hypervisor
from unit.compute.stage import numbered_interface
from unit.compute.virt.driver_contract import ONE, go

from nova_lite.cli.guest_image import builder
from nova_lite.compute.wiring.host import HostWiring

pytestmark = pytest.mark.libvirt


@pytest.fixture
def hypervisor(tmp_path):
    """A libvirt and a host in a network of their own."""
    lack = missing() or available()
    if lack:
        pytest.skip(lack)
    with own_network():
        libvirtd, wiring = Libvirtd(), HostWiring(tmp_path)
        try:
            libvirtd.start()
            host = Hypervisor(libvirtd, builder.ensure().disk, wiring)
            try:
                yield host
            finally:
                host.close()
        finally:
            wiring.remove_all()
            libvirtd.remove()


def isolated(number, **changes):
    own = {"bridge": f"nlb{number:08x}", "network_id": f"network-{number}", "segment": number, "mtu": 1450}
    return numbered_interface(number, **own, gateway_ip=None, dns_nameservers=(), **changes)


def test_a_guest_gets_both_addresses_by_dhcp_and_its_name_from_metadata(hypervisor):
    cards = tuple(isolated(number) for number in (7, 8))

    hypervisor.driver.ensure_guest(hypervisor.spec(ONE, hostname="inside", interfaces=cards), go())
    hypervisor.wait_for_console(ONE, "login:")

    own = ",".join(card.ip_address for card in cards)
    assert f"GUEST-UP hostname=inside ip={own} source=metadata" in hypervisor.console(ONE)
    hypervisor.driver.remove_guest(ONE)
    assert hypervisor.wiring.inspect() == ()
