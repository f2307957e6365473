"""Networks of projects on one host, with the real tools: the same addresses side by side, and nothing of the host's within reach."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from real import test_wiring as stage
from real.netns import Guest, available, own_network, sh
from real.test_wiring import wait_until
from real.test_wiring_edges import heard_by

from nova_lite.compute.wiring.host import HostWiring
from nova_lite.model.guest import GuestInterface, GuestSpec, HostRoute
from nova_lite.model.ids import NetworkId, PortId, ServerId

WHY_NOT = available()
pytestmark = [pytest.mark.net, pytest.mark.slow, pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))]

folder, outside = stage.folder, stage.outside
ONE, OTHER = 101, 102  # segments
RANGE = "10.77.0"
METADATA = "169.254.169.254"
USER_DATA = f"http://{METADATA}/latest/user-data"
HOST = "192.0.2.1"


def bridge_of(segment: int) -> str:
    return f"nlb{segment:011x}"


def interface_of(number: int, segment: int = ONE, **changes: object) -> GuestInterface:
    plain = GuestInterface(
        port_id=PortId(f"{segment:04x}{number:04x}-0000-4000-8000-000000000000"),
        network_id=NetworkId(f"{segment:08x}-0000-4000-8000-000000000000"),
        bridge=bridge_of(segment),
        mac_address=f"fa:16:3e:00:{segment:02x}:{number:02x}",
        ip_address=f"{RANGE}.{number}",
        prefix_length=24,
        gateway_ip=None,
        mtu=1450,
        segment=segment,
    )
    return dataclasses.replace(plain, **changes)


def spec_of(number: int, segment: int = ONE, **changes: object) -> GuestSpec:
    """Give a server; its user data (base64) is fixed by its segment, so that each network's guests know their own."""
    plain = stage.spec_of(number, interfaces=(interface_of(number, segment, **changes),))
    return dataclasses.replace(
        plain,
        server_id=ServerId(f"{segment:04x}{number:04x}-5555-4000-8000-000000000000"),
        hostname=f"vm{number}",
        user_data={ONE: "b25l", OTHER: "b3RoZXI="}.get(segment),
    )


@pytest.fixture
def wiring(folder) -> Iterator[HostWiring]:
    with own_network():
        made = HostWiring(folder / "wiring")
        try:
            yield made
        finally:
            made.remove_all()


def wire(wiring: HostWiring, spec: GuestSpec) -> str:
    """Do what a driver does before it starts a guest."""
    wiring.ensure_network(spec.interfaces[0])
    wiring.set_metadata(spec)
    return wiring.plug(spec.server_id, spec.interfaces[0])


@pytest.fixture
def boot(wiring, folder) -> Iterator[Callable[..., Guest]]:
    guests: list[Guest] = []

    def start(number: int, segment: int = ONE, *, ask: bool = True, **changes: object) -> Guest:
        spec = spec_of(number, segment, **changes)
        guests.append(Guest(wire(wiring, spec), spec.interfaces[0].mac_address, folder))
        if ask:
            assert guests[-1].dhcp(6).get("ip") == spec.interfaces[0].ip_address
        return guests[-1]

    yield start
    for guest in guests:
        guest.close()


def processes(wiring: HostWiring, what: str) -> list[int]:
    return [int(line.split()[1]) for line in wiring.inspect() if line.startswith(f"{what} ")]


def test_dhcp_tells_address_size_names_and_the_way_to_metadata_but_no_router(boot):
    guest = boot(10, ask=False)

    told = guest.dhcp(6)

    assert (told["ip"], told["mask"], told["mtu"], told["hostname"]) == (f"{RANGE}.10", "24", "1450", "vm10")
    assert told["broadcast"] == f"{RANGE}.255"
    assert (told["serverid"], told["dns"]) == (METADATA, METADATA)
    assert told["staticroutes"].split() == [f"{METADATA}/32", "0.0.0.0"]
    assert "router" not in told


def test_dhcp_tells_router_routes_and_name_servers_where_the_subnet_has_them(boot):
    changes = {
        "gateway_ip": f"{RANGE}.1",
        "routes": (HostRoute(destination="10.5.0.0/16", nexthop=f"{RANGE}.9"),),
        "dns_nameservers": ("9.9.9.9",),
    }
    guest = boot(10, ask=False, **changes)

    told = guest.dhcp(6)

    assert (told["router"], told["dns"]) == (f"{RANGE}.1", "9.9.9.9")
    ways = [f"{METADATA}/32", "0.0.0.0", "10.5.0.0/16", f"{RANGE}.9", "0.0.0.0/0", f"{RANGE}.1"]
    assert told["staticroutes"].split() == ways


def test_two_networks_with_the_same_range_know_nothing_of_each_other(boot):
    one, neighbour = boot(10), boot(11)
    other = boot(10, OTHER)
    boot(12, OTHER)

    assert one.pings(f"{RANGE}.11")
    assert not one.pings(f"{RANGE}.12")
    assert other.pings(f"{RANGE}.12")
    assert not other.pings(f"{RANGE}.11")
    assert (one.fetch(USER_DATA), neighbour.fetch(USER_DATA), other.fetch(USER_DATA)) == ("one", "one", "other")


def test_the_host_has_no_trace_of_the_range_and_no_address_on_the_bridge(boot):
    boot(10)

    assert RANGE not in sh("ip route show table all") + sh("ip address")
    assert METADATA not in sh("ip route show table all") + sh("ip address")
    for link in (bridge_of(ONE), f"nlv{bridge_of(ONE)[3:]}", "nl0065000a000"):
        assert "inet" not in sh(f"ip address show dev {link}")


def let_pass() -> None:
    """Let the host be as open as a host may be: it passes on all it gets, and knows a way to wherever it came from."""
    sh("sysctl -q -w net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0")
    sh("ip route add default via 192.0.2.2")


def send(guest: Guest, address: str) -> None:
    code = "import socket,sys;socket.socket(socket.AF_INET,socket.SOCK_DGRAM).sendto(b'x',(sys.argv[1],5000))"
    done = guest.run("/usr/bin/env", "python3", "-c", code, address)
    assert done.returncode == 0, done.stderr


def test_a_guest_reaches_neither_its_host_nor_what_that_passes_on(boot, outside):
    let_pass()
    guest = boot(10)
    mac = sh(f"ip -br link show dev {bridge_of(ONE)}").split()[2]
    for address in (HOST, "192.0.2.2"):
        guest.sh(f"ip route add {address}/32 dev eth0")
        assert not guest.pings(address)
        assert "lladdr" not in guest.sh(f"ip neigh show {address}")  # by ARP the host would answer for all it has
        guest.sh(f"ip neigh replace {address} lladdr {mac} dev eth0")  # sends to the bridge's own card

    with heard_by(outside, 5000) as heard, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((HOST, 5000))
        server.settimeout(2)
        send(guest, HOST)
        send(guest, "192.0.2.2")
        with pytest.raises(TimeoutError):
            server.recv(10)

    assert heard == []


def test_a_guest_reaches_the_host_by_no_ipv6_either(boot):
    guest = boot(10)
    sh("ip address add fd00::1/64 dev lo")
    guest.sh("sysctl -q -w net.ipv6.conf.eth0.disable_ipv6=0")
    guest.sh("ip address add fd00::2/64 dev eth0 nodad")
    mac = sh(f"ip -br link show dev {bridge_of(ONE)}").split()[2]
    guest.sh(f"ip neigh replace fd00::1 lladdr {mac} dev eth0")

    assert guest.run("busybox", "ping", "-6", "-c", "1", "-W", "1", "fd00::1").returncode != 0


def test_the_host_reaches_no_guest_even_by_a_route_of_its_own(boot, outside):
    guest = boot(10)
    sh(f"ip route add {RANGE}.0/24 dev {bridge_of(ONE)} src {HOST}")
    sh(f"ip neigh replace {RANGE}.10 lladdr {interface_of(10).mac_address} dev {bridge_of(ONE)} nud permanent")

    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with heard_by(guest, 5000) as heard, sender, contextlib.suppress(PermissionError):  # the kernel tells who sends
        sender.sendto(b"x", (f"{RANGE}.10", 5000))

    assert heard == []


def test_a_range_that_is_the_flat_networks_too_disturbs_nobody(boot, wiring, folder):
    """Bridged packets may pass the host's rules, and the flat network translates addresses of that range."""
    flat = stage.spec_of(10)
    tap = wire(wiring, flat)
    settler = Guest(tap, flat.interfaces[0].mac_address, folder)
    try:
        assert settler.dhcp(6)["ip"] == f"{RANGE}.10"
        guest = boot(10)
        boot(11)

        assert guest.pings(f"{RANGE}.11")
        assert guest.fetch(USER_DATA) == "one"
        assert settler.fetch(USER_DATA) == "#!/bin/sh\necho 10\n"
    finally:
        settler.close()


def test_forged_addresses_are_dropped_and_nobody_plays_metadata(boot):
    guest, victim = boot(10), boot(11)
    guest.sh(f"ip address add {METADATA}/32 dev eth0")
    guest.sh(f"ip address add {RANGE}.66/24 dev eth0")

    victim.sh("ip neigh flush all")

    assert victim.fetch(USER_DATA) == "one"
    assert not victim.pings(f"{RANGE}.66")


def test_a_second_subnet_of_a_network_is_served_beside_the_first(boot):
    boot(10)
    second = boot(20, ask=False, ip_address="10.88.0.20", gateway_ip="10.88.0.1")

    told = second.dhcp(6)

    assert (told["ip"], told["router"]) == ("10.88.0.20", "10.88.0.1")
    assert second.fetch(USER_DATA) == "one"
    assert boot(11).pings(f"{RANGE}.10")


def test_a_subnet_without_dhcp_gives_no_address_and_its_guests_have_metadata(boot):
    guest = boot(10, ask=False, dhcp=False)
    assert guest.dhcp(2) == {}

    guest.sh(f"ip address add {RANGE}.10/24 dev eth0")
    guest.sh(f"ip route add {METADATA}/32 dev eth0")

    assert guest.fetch(USER_DATA) == "one"


def test_names_of_a_network_are_known_in_it_alone(boot):
    guest = boot(10)
    boot(11)
    boot(12, OTHER)

    assert f"{RANGE}.11" in guest.run("busybox", "nslookup", "vm11", METADATA).stdout
    assert f"{RANGE}.12" not in guest.run("busybox", "nslookup", "vm12", METADATA).stdout


def test_an_address_is_given_anew_although_the_guest_before_never_gave_it_back(boot, wiring):
    boot(10)
    boot(11)  # keeps the network
    wiring.unplug(spec_of(10).server_id)

    boot(12, ip_address=f"{RANGE}.10")


def test_a_lease_is_renewed_by_a_message_to_the_server_alone(boot):
    guest = boot(10)
    code = (
        "import socket,sys;s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);s.bind((sys.argv[1],68));s.settimeout(3);"
        "m=bytes.fromhex(sys.argv[2].replace(':',''));a=socket.inet_aton(sys.argv[1]);"
        "s.sendto(bytes([1,1,6,0])+b'abcd'+bytes(4)+a+bytes(12)+m.ljust(16,b'\\0')+bytes(192)+b'\\x63\\x82\\x53\\x63\\x35\\x01\\x03\\xff',"
        "('169.254.169.254',67));print(s.recvfrom(2000)[0][242])"
    )

    done = guest.run("/usr/bin/env", "python3", "-c", code, f"{RANGE}.10", interface_of(10).mac_address)

    assert done.stdout.strip() == "5", done.stderr  # DHCPACK


def test_everything_may_be_asked_twice(wiring):
    spec = spec_of(10)
    wire(wiring, spec)
    before = wiring.inspect()

    wire(wiring, spec)

    assert wiring.inspect() == before
    assert wiring.taps(spec.server_id) == ("nl0065000a000",)


def test_a_daemon_that_starts_again_adopts_what_is_there(wiring, boot, folder):
    guest = boot(10)
    wiring.stop()
    before = wiring.inspect()

    again = HostWiring(folder / "wiring")
    try:
        wire(again, spec_of(10))

        assert again.inspect() == before  # the same dnsmasq and namespace too
        assert guest.dhcp(6)["ip"] == f"{RANGE}.10"
        assert guest.fetch(USER_DATA) == "one"
    finally:
        again.stop()


def test_the_last_unplug_removes_the_network_and_nothing_of_another(wiring, boot, folder):
    before = (sh("ip -o link"), sh("nft list ruleset"))
    guest = boot(10, OTHER)
    kept = wiring.inspect()
    for number in (10, 11):
        wire(wiring, spec_of(number))
    pids = set(processes(wiring, "namespace") + processes(wiring, "dnsmasq"))

    wiring.unplug(spec_of(10).server_id)
    assert f"link {bridge_of(ONE)}" in wiring.inspect()
    for _ in range(2):
        wiring.unplug_one(spec_of(11).server_id, interface_of(11))

    assert wiring.inspect() == kept
    assert guest.fetch(USER_DATA) == "other"
    assert not (folder / "wiring/bridges" / bridge_of(ONE)).exists()
    wiring.unplug(spec_of(10, OTHER).server_id)
    assert (sh("ip -o link"), sh("nft list ruleset")) == before
    assert wiring.inspect() == ()
    assert not [pid for pid in pids if Path(f"/proc/{pid}/ns").exists() and Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_networks_come_and_go_side_by_side(wiring):
    """Always one unplugs what another plugs: whoever is plugged at the end has a network."""
    wire(wiring, spec_of(50))  # without another one the network would be made anew each time, which takes long
    wiring.unplug(spec_of(50).server_id)

    def turn(number: int) -> str:
        for _ in range(3):
            wire(wiring, spec_of(number))
            wiring.unplug(spec_of(number).server_id)
        return wire(wiring, spec_of(number))

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        taps = list(pool.map(turn, range(20, 24)))

    masters = sh(f"ip -br link show master {bridge_of(ONE)}")
    rules = sh("nft list ruleset")
    assert all(f"{tap} " in masters and f'"{tap}" : jump {tap}' in rules for tap in taps)
    for number in range(20, 24):
        wiring.unplug(spec_of(number).server_id)
    assert wiring.inspect() == ()


def test_what_an_earlier_daemon_left_without_taps_goes_and_the_rest_stays(wiring, boot, folder):
    boot(10)
    wiring.ensure_network(interface_of(10, OTHER))
    wiring.stop()

    again = HostWiring(folder / "wiring")
    again.mend()

    assert not [line for line in again.inspect() if bridge_of(OTHER) in line]
    assert f"link {bridge_of(ONE)}" in again.inspect()
    assert len(processes(again, "namespace")) == 1


def kill(wiring: HostWiring, what: str) -> None:
    (pid,) = processes(wiring, what)
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not processes(wiring, what))


@pytest.mark.parametrize(
    "harm",
    [
        lambda wiring: sh(f"ip link delete {bridge_of(ONE)}"),
        lambda wiring: sh(f"ip link delete nlv{bridge_of(ONE)[3:]}"),
        lambda wiring: sh("nft flush ruleset"),
        lambda wiring: kill(wiring, "dnsmasq"),
        lambda wiring: kill(wiring, "namespace"),
    ],
    ids=["bridge", "pair", "rules", "dnsmasq", "namespace"],
)
def test_what_somebody_removed_is_made_again(wiring, boot, outside, harm):
    guest, neighbour = boot(10), boot(11)
    harm(wiring)

    wiring.mend()

    assert guest.dhcp(6)["ip"] == f"{RANGE}.10"
    assert guest.fetch(USER_DATA) == "one"
    assert neighbour.pings(f"{RANGE}.10")
    guest.sh("ip route add 192.0.2.1/32 dev eth0")
    assert not guest.pings(HOST)
    guest.sh("ip link set eth0 address fa:16:3e:00:00:77")
    assert not guest.pings(f"{RANGE}.11")


def test_all_is_removed_by_whoever_finds_the_folder(wiring, boot, folder):
    before = (sh("ip -o link"), sh("nft list ruleset"))
    boot(10)
    boot(10, OTHER)
    wiring.stop()

    removed = HostWiring(folder / "wiring").remove_all()

    assert {line.split()[0] for line in removed} == {"link", "table", "dnsmasq", "namespace"}
    assert (sh("ip -o link"), sh("nft list ruleset")) == before
    assert HostWiring(folder / "wiring").remove_all() == ()


def test_all_is_removed_although_the_bridge_is_gone(wiring, folder):
    before = sh("ip -o link")
    wire(wiring, spec_of(10))
    wiring.stop()
    sh(f"ip link delete {bridge_of(ONE)}")

    HostWiring(folder / "wiring").remove_all()

    assert sh("ip -o link") == before


def test_a_bridge_of_another_is_not_taken(wiring):
    sh(f"ip link add {bridge_of(ONE)} type bridge")

    with pytest.raises(Exception, match="was not made for its network"):
        wiring.ensure_network(interface_of(10))

    wiring.remove_all()
    assert bridge_of(ONE) in sh("ip link")


def test_a_daemon_that_died_at_any_point_is_followed_by_one_that_ends_the_work(wiring, boot, folder, monkeypatch):
    """Each call of a tool is the last one in turn."""
    from nova_lite.compute.wiring import commands

    before, real = (sh("ip -o link"), sh("nft list ruleset")), commands.subprocess.run
    left, lock = [0], threading.Lock()

    def mortal(*arguments, **options):
        with lock:
            left[0] -= 1
            if left[0] < 0:
                raise OSError("the daemon is dead")
        return real(*arguments, **options)

    monkeypatch.setattr(commands.subprocess, "run", mortal)
    for calls in range(100):
        died = HostWiring(folder / "wiring")
        left[0] = calls
        try:
            died._of(interface_of(10)).ensure(interface_of(10))
            break
        except Exception:  # noqa: S110 - as it dies
            pass
        finally:
            left[0] = 10_000
        died.stop()
        if calls % 2:
            HostWiring(folder / "wiring").mend()
            assert (sh("ip -o link"), sh("nft list ruleset")) == before
    died.stop()
    boot(10)
    assert calls > 5


DAEMON = """
import sys
from pathlib import Path
from nova_lite.compute.wiring.host import HostWiring
from real.test_isolated_wiring import spec_of, wire

wiring = HostWiring(Path(sys.argv[1]))
wire(wiring, spec_of(10))
print(*wiring.inspect(), sep="\\n")
wiring.unplug(spec_of(10).server_id) if "last" in sys.argv else wiring.stop()
print("LEFT", *wiring.inspect(), sep="\\n")
"""


def test_the_daemons_unit_gives_the_powers_that_it_takes_and_its_mounts_hide_nothing(wiring, folder):
    """Each start has mounts of its own, as the unit gives them, and no more capabilities."""
    unit = (Path(__file__).parents[2] / "etc/systemd/nova-lite-compute.service").read_text()
    (names,) = [line.partition("=")[2].split() for line in unit.splitlines() if line.startswith("CapabilityBoundingSet=")]
    powers = ",".join(["-all", *(f"+{name.lower().removeprefix('cap_')}" for name in names)])
    limited = ["setpriv", "--no-new-privs", "--bounding-set", powers, "--inh-caps", "-all"]
    start = ["unshare", "--mount", "--propagation", "slave", *limited, sys.executable, "-c", DAEMON, str(folder / "wiring")]

    tests = Path(__file__).parents[1]
    known = {**os.environ, "PYTHONPATH": f"{tests.parent}:{tests}"}

    def run(*arguments: str) -> list[str]:
        done = subprocess.run([*start, *arguments], capture_output=True, text=True, timeout=60, check=False, env=known)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    first, again = run(), run()

    made = again[: again.index("LEFT")]
    assert first == again == [*made, "LEFT", *made]
    assert run("last") == [*made, "LEFT"]
