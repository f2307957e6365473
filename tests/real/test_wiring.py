"""The host's wiring with the real tools, in a network namespace of its own: a guest is a machine behind one of our taps."""

from __future__ import annotations

import base64
import concurrent.futures
import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from real.netns import Guest, Machine, available, own_network, sh

from nova_lite.compute.wiring.host import HostWiring
from nova_lite.model.guest import GuestInterface, GuestSpec
from nova_lite.model.ids import NetworkId, PortId, ServerId

WHY_NOT = available()
pytestmark = [pytest.mark.net, pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))]

BRIDGE = "nltest0"
GATEWAY = "10.77.0.1"


def spec_of(number: int, **changes: object) -> GuestSpec:
    interface = GuestInterface(
        port_id=PortId(f"{number:08x}-0000-4000-8000-000000000000"),
        network_id=NetworkId("11111111-0000-4000-8000-000000000000"),
        bridge=BRIDGE,
        mac_address=f"fa:16:3e:00:00:{number:02x}",
        ip_address=f"10.77.0.{number}",
        prefix_length=24,
        gateway_ip=GATEWAY,
        mtu=1400,
    )
    plain = GuestSpec(
        server_id=ServerId(f"{number:08x}-5555-4000-8000-000000000000"),
        name=f"vm{number}",
        hostname=f"vm{number}",
        project_id="p",
        user_id="u",
        vcpus=1,
        ram_mib=64,
        root_gib=0,
        interfaces=(interface,),
        user_data=base64.b64encode(f"#!/bin/sh\necho {number}\n".encode()).decode(),
    )
    return dataclasses.replace(plain, **changes)


@pytest.fixture
def folder():
    made = Path(tempfile.mkdtemp(prefix="nl-wiring-"))
    made.chmod(0o755)  # as a daemon's folder is: dnsmasq gives its rights up
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def wiring(folder) -> Iterator[HostWiring]:
    with own_network():
        made = HostWiring(folder / "wiring")
        try:
            yield made
        finally:
            made.remove_all()


@pytest.fixture
def boot(wiring, folder) -> Iterator[Callable[..., Guest]]:
    """Give the function that wires a guest up as a driver does, and starts it."""
    guests: list[Guest] = []

    def start(number: int, **changes: object) -> Guest:
        spec = spec_of(number, **changes)
        wiring.ensure_network(spec.interfaces[0])
        wiring.set_metadata(spec)
        tap = wiring.plug(spec.server_id, spec.interfaces[0])
        guests.append(Guest(tap, spec.interfaces[0].mac_address, folder))
        return guests[-1]

    yield start
    for guest in guests:
        guest.close()


@pytest.fixture
def outside(wiring) -> Iterator[Machine]:
    """A machine that the host reaches over another interface, and that knows no way to the guests."""
    machine = Machine()
    sh(f"ip link add up0 type veth peer name eth0 netns {machine.pid}")
    sh("ip address add 192.0.2.1/24 dev up0")
    sh("ip link set up0 up")
    machine.sh("ip address add 192.0.2.2/24 dev eth0")
    machine.sh("ip link set eth0 up")
    yield machine
    machine.close()


def on(guest: Guest, number: int) -> Guest:
    guest.configure(f"10.77.0.{number}/24", GATEWAY)
    return guest


def wait_until(condition: Callable[[], bool], seconds: float = 5) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_a_guest_gets_its_own_address_and_routes_by_dhcp(boot):
    guest = boot(10)

    told = guest.dhcp()

    assert told["ip"] == "10.77.0.10"
    assert told["mask"] == "24"
    assert told["router"] == GATEWAY
    assert told["dns"] == GATEWAY
    assert told["mtu"] == "1400"
    assert told["staticroutes"].split() == ["169.254.169.254/32", GATEWAY, "0.0.0.0/0", GATEWAY]
    assert told["hostname"] == "vm10"


def test_a_card_without_port_gets_no_address(boot):
    guest = boot(10)
    guest.sh("ip link set eth0 address fa:16:3e:00:00:99")

    assert guest.dhcp(1) == {}


def test_an_address_is_given_anew_although_the_guest_before_never_gave_it_back(boot, wiring):
    first = boot(10)
    assert first.dhcp()["ip"] == "10.77.0.10"
    wiring.unplug(spec_of(10).server_id)
    same_address = dataclasses.replace(spec_of(11).interfaces[0], ip_address="10.77.0.10")

    second = boot(11, interfaces=(same_address,))

    assert second.dhcp(5)["ip"] == "10.77.0.10"


def test_metadata_is_answered_by_the_address_that_asks(boot):
    one, two = on(boot(10), 10), on(boot(11), 11)

    assert '"name":"vm10"' in (one.fetch("http://169.254.169.254:80/openstack/latest/meta_data.json") or "")
    assert two.fetch("http://169.254.169.254:80/latest/user-data") == "#!/bin/sh\necho 11\n"
    assert "meta-data/" in (two.fetch("http://169.254.169.254:80/latest/") or "").split("\n")
    assert two.fetch("http://169.254.169.254:80/openstack/latest/nothing") is None


def test_metadata_works_beside_a_web_server_of_the_host(wiring, boot):
    with socket.create_server(("0.0.0.0", 80)):
        guest = on(boot(10), 10)

        assert '"name":"vm10"' in (guest.fetch("http://169.254.169.254:80/openstack/latest/meta_data.json") or "")


def test_a_guest_that_dawdles_keeps_no_other_from_its_metadata(boot):
    slow, other = on(boot(10), 10), on(boot(11), 11)
    script = "for i in $(seq 100); do (sleep 20 | busybox nc 169.254.169.254 80 &) ; done"
    slow.run("sh", "-c", script + " >/dev/null 2>&1")
    time.sleep(1)

    assert other.fetch("http://169.254.169.254:80/openstack/latest/meta_data.json")


def test_guests_reach_each_other_and_the_gateway(boot):
    one = on(boot(10), 10)
    on(boot(11), 11)

    assert one.pings("10.77.0.11")
    assert one.pings(GATEWAY)


def test_guests_reach_the_world_outside_under_the_hosts_address(boot, outside):
    guest = on(boot(10), 10)

    assert guest.pings("192.0.2.2")


LISTEN = """
import select, socket
heard = {socket.socket(type=socket.SOCK_DGRAM): port for port in (4788, 4789)}
[one.bind(("", port)) for one, port in heard.items()]
print("ready", flush=True)
while ready := select.select(list(heard), [], [], 3)[0]:
    for one in ready:
        one.recv(99)
        print(heard[one], flush=True)
"""
SEND = """
import socket
for port in (4789, 4788):
    socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.2", port))
"""


def test_a_guest_cannot_send_into_the_tunnels_of_other_hosts(boot, outside):
    guest = on(boot(10), 10)
    assert guest.pings("192.0.2.2")

    with subprocess.Popen(outside.inside(sys.executable, "-c", LISTEN), stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "ready\n"
        assert guest.run(sys.executable, "-c", SEND).returncode == 0
        heard = other.stdout.read().split()

    assert heard == ["4788"]


def test_the_world_outside_does_not_begin_to_talk_to_guests(boot, outside):
    guest = on(boot(10), 10)
    outside.sh("ip route add 10.77.0.0/24 via 192.0.2.1")

    reached = outside.run("busybox", "ping", "-c", "1", "-W", "2", "10.77.0.10").returncode == 0

    assert not reached
    assert guest.pings("192.0.2.2")


def test_a_guest_reaches_no_service_of_its_host_but_those_made_for_it(boot):
    guest = on(boot(10), 10)
    with socket.create_server(("0.0.0.0", 8774)) as server:
        server.settimeout(3)

        done = guest.run("busybox", "timeout", "3", "busybox", "nc", GATEWAY, "8774")

        assert done.returncode != 0
        with pytest.raises(TimeoutError):
            server.accept()


def test_the_host_itself_reaches_guests(boot):
    on(boot(10), 10)

    assert "1 packets received" in sh("busybox ping -c 1 -W 2 10.77.0.10", check=False)


def test_packets_with_a_false_source_address_are_dropped(boot):
    guest, other = on(boot(10), 10), on(boot(11), 11)
    assert guest.pings("10.77.0.11")  # each knows the other's card now

    guest.sh("ip address add 10.77.0.66/24 dev eth0")
    other.sh("ip neigh replace 10.77.0.66 lladdr fa:16:3e:00:00:0a dev eth0")
    forged = guest.run("busybox", "ping", "-c", "1", "-W", "1", "-I", "10.77.0.66", "10.77.0.11")

    assert forged.returncode != 0
    assert guest.pings("10.77.0.11")


def test_an_address_that_was_added_is_let_out_and_one_that_was_removed_is_not(boot, wiring):
    guest, other = on(boot(10), 10), on(boot(11), 11)
    assert guest.pings("10.77.0.11")
    spec = spec_of(10)
    more = dataclasses.replace(spec.interfaces[0], more_addresses=("10.77.0.66",))
    guest.sh("ip address add 10.77.0.66/24 dev eth0")
    other.sh("ip neigh replace 10.77.0.66 lladdr fa:16:3e:00:00:0a dev eth0")
    added = ("busybox", "ping", "-c", "1", "-W", "1", "-I", "10.77.0.66", "10.77.0.11")
    assert guest.run(*added).returncode != 0

    wiring.plug(spec.server_id, more)
    assert guest.run(*added).returncode == 0
    assert guest.pings("10.77.0.11")
    wiring.plug(spec.server_id, spec.interfaces[0])

    assert guest.run(*added).returncode != 0
    assert guest.pings("10.77.0.11")


def test_frames_with_a_false_card_address_are_dropped(boot):
    guest = on(boot(10), 10)
    assert guest.pings(GATEWAY)

    guest.sh("ip link set eth0 address fa:16:3e:00:00:77")

    assert not guest.pings(GATEWAY)


def test_nobody_answers_arp_for_another(boot):
    thief, victim = on(boot(10), 10), on(boot(11), 11)
    thief.sh("ip address add 10.77.0.12/24 dev eth0")  # answers for an address that is not its own

    victim.run("busybox", "ping", "-c", "1", "-W", "1", "10.77.0.12")

    assert "fa:16:3e:00:00:0a" not in victim.sh("ip neigh show 10.77.0.12")


def test_everything_may_be_asked_twice(wiring):
    spec = spec_of(10)
    for _ in range(2):
        wiring.ensure_network(spec.interfaces[0])
        wiring.set_metadata(spec)
        wiring.plug(spec.server_id, spec.interfaces[0])
    before = wiring.inspect()

    wiring.plug(spec.server_id, spec.interfaces[0])

    assert wiring.inspect() == before
    assert wiring.taps(spec.server_id) == ("nl0000000a000",)


def test_unplugging_leaves_nothing_of_the_guest_and_may_be_repeated(wiring, folder):
    spec = spec_of(10)
    wiring.ensure_network(spec.interfaces[0])
    before = wiring.inspect()
    wiring.set_metadata(spec)
    wiring.plug(spec.server_id, spec.interfaces[0])

    for _ in range(2):
        wiring.unplug(spec.server_id)

    assert wiring.taps(spec.server_id) == ()
    assert wiring.inspect() == before
    assert "nl0000000a000" not in sh("nft list ruleset") + sh("ip link")
    assert not [path for path in folder.rglob("*") if path.is_file() and b"fa:16:3e:00:00:0a" in path.read_bytes()]


def test_one_of_two_interfaces_is_unplugged_and_the_other_stays(wiring, folder):
    spec, second = spec_of(10), spec_of(11).interfaces[0]
    for interface in (*spec.interfaces, second):
        wiring.ensure_network(interface)
        wiring.plug(spec.server_id, interface)

    for _ in range(2):
        wiring.unplug_one(spec.server_id, second)

    assert wiring.taps(spec.server_id) == ("nl0000000a000",)
    rules = sh("nft list ruleset") + sh("ip link")
    assert "nl0000000a000" in rules and "nl0000000b000" not in rules
    assert not [path for path in folder.rglob("*") if path.is_file() and b"fa:16:3e:00:00:0b" in path.read_bytes()]


def test_a_daemon_that_starts_again_adopts_what_is_there(wiring, boot, folder):
    guest = boot(10)
    wiring.stop()
    before = wiring.inspect()

    again = HostWiring(folder / "wiring")
    try:
        again.ensure_network(spec_of(10).interfaces[0])
        again.set_metadata(spec_of(10))

        assert again.inspect() == before  # the same dnsmasq too
        assert guest.dhcp()["ip"] == "10.77.0.10"
        assert guest.fetch("http://169.254.169.254:80/latest/user-data") == "#!/bin/sh\necho 10\n"
    finally:
        again.stop()


def test_a_dead_dnsmasq_is_started_again(wiring, boot):
    guest = boot(10)
    pid = next(int(line.split()[1]) for line in wiring.inspect() if line.startswith("dnsmasq"))
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not any(line.startswith("dnsmasq") for line in wiring.inspect()))

    wiring.mend()

    assert guest.dhcp()["ip"] == "10.77.0.10"


def test_dnsmasq_gives_roots_rights_up_under_a_strict_umask_too(wiring, boot):
    before = os.umask(0o027)
    try:
        guest = boot(10)
    finally:
        os.umask(before)
    pid = next(line.split()[1] for line in wiring.inspect() if line.startswith("dnsmasq"))

    assert Path(f"/proc/{pid}").stat().st_uid != 0
    assert guest.dhcp()["ip"] == "10.77.0.10"
    wiring.unplug(spec_of(10).server_id)
    assert wait_until(lambda: guest.dhcp(1) == {})


def test_rules_that_somebody_flushed_are_loaded_again(wiring, boot, outside):
    guest = on(boot(10), 10)
    sh("nft flush ruleset")
    assert not guest.pings("192.0.2.2")

    wiring.mend()

    assert guest.pings("192.0.2.2")
    assert guest.fetch("http://169.254.169.254:80/latest/user-data")
    guest.sh("ip link set eth0 address fa:16:3e:00:00:77")
    assert not guest.pings(GATEWAY)


def test_many_guests_are_wired_and_unwired_at_once(wiring):
    specs = [spec_of(number) for number in range(20, 36)]
    wiring.ensure_network(specs[0].interfaces[0])
    before = wiring.inspect()

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        taps = list(pool.map(lambda spec: wiring.plug(spec.server_id, spec.interfaces[0]), specs))
        rules = sh("nft list ruleset")
        list(pool.map(lambda spec: wiring.unplug(spec.server_id), specs))

    assert all(f'"{tap}" : jump {tap}' in rules for tap in taps)
    assert wiring.inspect() == before


def test_removing_all_takes_what_is_ours_and_nothing_else(wiring, folder):
    sh("nft add table ip somebody")
    sh("nft add table inet nova_lite_of_another_cloud")
    sh("ip link add others0 type bridge")
    sh("ip tuntap add dev nlffffffffff mode tap")
    sh("ip link set nlffffffffff master others0")
    others = (sh("nft list ruleset"), sh("ip -o link show others0"), sh("ip -o link show nlffffffffff"))
    spec = spec_of(10)
    wiring.ensure_network(spec.interfaces[0])
    wiring.set_metadata(spec)
    wiring.plug(spec.server_id, spec.interfaces[0])

    removed = HostWiring(folder / "wiring").remove_all()

    assert any(line.startswith("dnsmasq") for line in removed)
    assert (sh("nft list ruleset"), sh("ip -o link show others0"), sh("ip -o link show nlffffffffff")) == others
    assert BRIDGE not in sh("ip link")
    assert wiring.inspect() == ()
    assert HostWiring(folder / "wiring").remove_all() == ()
