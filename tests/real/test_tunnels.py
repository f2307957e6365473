"""Networks of projects on two hosts, with the real tools: two namespaces with a cable between them, a wiring in each."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from real.netns import CLONE_NEWNET, LIBC, Guest, Machine, available, own_network, sh
from real.test_isolated_wiring import METADATA, ONE, RANGE, USER_DATA, bridge_of, interface_of, processes, spec_of, wire
from real.test_wiring import folder as folder  # noqa: PLC0414 - a fixture
from real.test_wiring import wait_until
from real.test_wiring_edges import heard_by

from nova_lite.compute.wiring import tunnel
from nova_lite.compute.wiring.host import HostWiring
from nova_lite.compute.wiring.port import WiringError

WHY_NOT = available()
pytestmark = [pytest.mark.net, pytest.mark.slow, pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))]

T = TypeVar("T")
NEXT = ONE + tunnel.GROUPS  # a segment of the same group
TUNNEL = f"nlx{bridge_of(ONE)[3:]}"


class Host:
    """A host of the cloud: what is done there is done by a thread that stands in its namespace."""

    def __init__(self, number: int, folder: Path) -> None:
        self.machine = Machine()
        self.address = f"192.0.2.{number}"
        self.folder = folder / f"host{number}"
        self.folder.mkdir(mode=0o755)
        self.guests: list[Guest] = []
        self._thread = concurrent.futures.ThreadPoolExecutor(1)
        self.do(self._enter)
        self.wiring = HostWiring(self.folder / "wiring", self.address)

    def _enter(self) -> None:
        with open(f"/proc/{self.machine.pid}/ns/net") as namespace:
            assert LIBC.setns(namespace.fileno(), CLONE_NEWNET) == 0

    def do(self, act: Callable[[], T]) -> T:
        return self._thread.submit(act).result()

    def boot(self, number: int, segment: int = ONE, **changes: object) -> Guest:
        spec = spec_of(number, segment, **changes)

        def start() -> Guest:
            return Guest(wire(self.wiring, spec), spec.interfaces[0].mac_address, self.folder)

        self.guests.append(self.do(start))
        assert self.guests[-1].dhcp(6).get("ip") == spec.interfaces[0].ip_address
        return self.guests[-1]

    def close(self) -> None:
        for guest in self.guests:
            guest.close()
        self.do(self.wiring.remove_all)
        self._thread.shutdown()
        self.machine.close()


@pytest.fixture
def hosts(folder) -> Iterator[tuple[Host, Host]]:
    made: list[Host] = []
    try:
        made += [Host(1, folder)]
        made += [Host(2, folder)]
        one, other = made
        one.machine.sh(f"ip link add cable0 type veth peer name cable0 netns {other.machine.pid}")
        for host in made:
            host.machine.sh(f"ip address add {host.address}/24 dev cable0")
            host.machine.sh("ip link set cable0 up")
        yield one, other
    finally:
        for host in made:
            host.close()


def test_guests_of_one_network_reach_each_other_on_both_hosts(hosts):
    here, there = hosts[0].boot(10), hosts[1].boot(11)

    assert here.pings(f"{RANGE}.11")
    assert there.pings(f"{RANGE}.10")
    full = here.run("busybox", "ping", "-c", "1", "-W", "2", "-s", str(1450 - 28), f"{RANGE}.11")
    assert full.returncode == 0
    code = f"import socket;s=socket.create_server(('{RANGE}.11',80));c=s.accept()[0];print(len(c.makefile('rb').read()))"
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        heard = pool.submit(there.run, "busybox", "timeout", "20", "/usr/bin/env", "python3", "-c", code)
        assert wait_until(lambda: ":80 " in there.sh("ss -tln"))
        send = f"import socket;s=socket.create_connection(('{RANGE}.11',80),5);s.sendall(bytes(1000000));s.close()"
        sent = here.run("busybox", "timeout", "20", "/usr/bin/env", "python3", "-c", send)
    assert sent.returncode == 0, sent.stderr
    assert heard.result().stdout.strip() == "1000000"


def test_a_network_sees_nothing_of_another_one_in_the_same_group(hosts):
    assert tunnel.group_of(ONE) == tunnel.group_of(NEXT)
    here, there = hosts[0].boot(10), hosts[1].boot(11, NEXT)
    hosts[1].boot(12)

    assert not here.pings(f"{RANGE}.11")
    assert not there.pings(f"{RANGE}.10")
    assert here.pings(f"{RANGE}.12")


def test_each_guest_is_answered_by_its_own_host_alone(hosts):
    """The other one knows the guest's card too, as it does while a guest moves: its answers must not come through."""
    here, there = hosts
    guest = here.boot(10)
    there.boot(11)
    there.do(lambda: wire(there.wiring, spec_of(10)))
    (pid,) = here.do(lambda: processes(here.wiring, "dnsmasq"))
    assert guest.fetch(USER_DATA) == "one"

    os.kill(pid, signal.SIGKILL)
    here.do(here.wiring.stop)
    guest.sh("ip neigh flush all")

    assert guest.dhcp(3) == {}
    assert guest.fetch(USER_DATA) is None
    here.do(lambda: sh(f"ip link delete nlv{bridge_of(ONE)[3:]}"))
    guest.sh("ip neigh flush all")
    assert not guest.pings(METADATA)
    assert "lladdr" not in guest.sh(f"ip neigh show {METADATA}")
    assert guest.pings(f"{RANGE}.11")


def test_what_a_guest_asks_of_dhcp_is_not_heard_on_other_hosts(hosts):
    guest, listener = hosts[0].boot(10), hosts[1].boot(11)

    with heard_by(listener, 67) as heard:
        assert guest.dhcp(3)["ip"] == f"{RANGE}.10"

    assert heard == []


def test_what_qemu_says_after_a_move_tells_other_hosts_where_the_guest_is(hosts):
    here, there = hosts
    guest = here.boot(10)
    there.boot(11)
    mac = interface_of(10).mac_address
    there.do(lambda: sh(f"bridge fdb flush dev {TUNNEL}", check=False))
    there.do(lambda: sh(f"bridge fdb del {mac} dev {TUNNEL}", check=False))
    code = (
        "import socket,sys;m=bytes.fromhex(sys.argv[1].replace(':',''));s=socket.socket(socket.AF_PACKET,socket.SOCK_RAW);"
        "s.bind(('eth0',0));s.send(b'\\xff'*6+m+bytes.fromhex('8035000108000604'+'0003')+m+bytes(4)+m+bytes(4))"
    )

    done = guest.run("/usr/bin/env", "python3", "-c", code, mac)

    assert done.returncode == 0, done.stderr
    assert wait_until(lambda: f"{mac} dst {here.address}" in there.do(lambda: sh(f"bridge fdb show dev {TUNNEL}")))


def test_a_tunnel_that_somebody_removed_is_made_again(hosts):
    here, there = hosts
    guest = here.boot(10)
    there.boot(11)
    here.do(lambda: sh(f"ip link delete {TUNNEL}"))
    assert not guest.pings(f"{RANGE}.11")

    here.do(here.wiring.mend)

    guest.sh("ip neigh flush all")
    assert guest.pings(f"{RANGE}.11")


def test_a_host_that_got_another_address_makes_its_tunnels_anew(hosts):
    here, there = hosts
    guest = here.boot(10)
    there.boot(11)
    here.do(here.wiring.stop)
    here.machine.sh("ip address add 192.0.2.7/24 dev cable0")
    here.machine.sh(f"ip address delete {here.address}/24 dev cable0")
    here.machine.sh("ip address replace 192.0.2.7/24 dev cable0")

    again = HostWiring(here.folder / "wiring", "192.0.2.7")
    here.do(lambda: wire(again, spec_of(10)))

    assert guest.pings(f"{RANGE}.11")
    here.do(again.stop)


def test_more_networks_than_linux_lets_a_socket_join_groups(hosts):
    here, _ = hosts
    segments = range(1000, 1024)

    for segment in segments:
        here.machine.sh(f"ip link add {bridge_of(segment)} type bridge")
        here.do(lambda segment=segment: tunnel.ensure(bridge_of(segment), segment, 1450, here.address))

    ups = [link for link in json.loads(here.machine.sh("ip -json link show type vxlan")) if "UP" in link["flags"]]
    assert len(ups) == len(segments)


def test_nothing_is_left_when_the_last_guest_goes(hosts):
    here, there = hosts
    before = here.do(lambda: (sh("ip -o link"), sh("nft list ruleset")))
    here.boot(10).close()
    here.guests.clear()
    there.boot(11)

    here.do(lambda: here.wiring.unplug(spec_of(10).server_id))

    assert here.do(lambda: (sh("ip -o link"), sh("nft list ruleset"))) == before


@pytest.mark.parametrize("address", [None, "127.0.0.1"])
def test_a_cloud_of_one_machine_has_no_tunnel(folder, address):
    with own_network():
        wiring = HostWiring(folder / "wiring", address)
        try:
            wire(wiring, spec_of(10))
            wiring.mend()

            assert "vxlan" not in sh("ip -d link")
        finally:
            wiring.remove_all()


def test_an_address_that_no_device_has_is_refused(folder):
    with own_network():
        wiring = HostWiring(folder / "wiring", "192.0.2.1")
        try:
            with pytest.raises(WiringError, match=r"192\.0\.2\.1"):
                wiring.ensure_network(interface_of(10))
        finally:
            wiring.remove_all()


def test_a_narrow_device_carries_what_fits(hosts, caplog):
    here, there = hosts
    for host in hosts:
        host.machine.sh("ip link set cable0 mtu 1400")
    guest = here.boot(10)
    there.boot(11)

    assert guest.pings(f"{RANGE}.11")
    assert "guests of nlb00000000065 send up to 1450" in caplog.text


def test_the_tunnels_port_is_left_to_others_of_the_host(hosts):
    """A socket of the host's own may have it on another address; ours says so where it cannot be had."""
    here, _ = hosts

    def occupied() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("0.0.0.0", tunnel.PORT))
            with pytest.raises(WiringError, match="ip failed"):
                here.wiring.ensure_network(dataclasses.replace(interface_of(10)))

    here.do(occupied)
