"""The host's wiring where others interfere: forging guests, other DHCP servers, links removed by hand, neighbours."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import threading
import time

import pytest
from real import test_wiring as stage
from real.netns import available, sh
from real.test_wiring import BRIDGE, GATEWAY, on, spec_of

from nova_lite.compute.wiring.host import HostWiring

WHY_NOT = available()
pytestmark = [pytest.mark.net, pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))]

folder, wiring, boot, outside = stage.folder, stage.wiring, stage.boot, stage.outside
METADATA = "169.254.169.254"
DOCUMENT = f"http://{METADATA}:80/openstack/latest/meta_data.json"
DHCP_ANSWERED = 2  # BOOTREPLY


def offer_of(mac: str, address: str) -> bytes:
    """Make a DHCPOFFER as a false DHCP server would."""
    head = struct.pack("!BBBBIHH", DHCP_ANSWERED, 1, 6, 0, 7, 0, 0x8000) + bytes(4) + socket.inet_aton(address) + bytes(8)
    return head + bytes.fromhex(mac.replace(":", "")).ljust(16, b"\0") + bytes(192) + b"\x63\x82\x53\x63\x35\x01\x02\xff"


def send_from(guest, payload: bytes, port: int) -> None:
    """Let a guest broadcast a datagram from `port` to `port` + 1."""
    code = (
        "import socket,sys;s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);s.setsockopt(1,6,1);"
        "s.setsockopt(1,25,b'eth0');s.bind(('',int(sys.argv[2])));"
        "s.sendto(bytes.fromhex(sys.argv[1]),('255.255.255.255',int(sys.argv[2])+1))"
    )
    done = guest.run("/usr/bin/env", "python3", "-c", code, payload.hex(), str(port))
    assert done.returncode == 0, done.stderr


@contextlib.contextmanager
def heard_by(guest, port: int):
    """Give the list of what arrives at a guest's port."""
    code = (
        "import socket,sys;s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);s.bind(('',int(sys.argv[1])));"
        "s.settimeout(3);print('ready',flush=True)\n"
        "try: print(s.recvfrom(2000)[0].hex())\nexcept TimeoutError: pass"
    )
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.append(guest.run("/usr/bin/env", "python3", "-c", code, str(port)).stdout))
    thread.start()
    time.sleep(1)
    heard: list[str] = []
    yield heard
    thread.join()
    heard += said[0].split()[1:]


@pytest.mark.parametrize(("port", "arrives"), [(67, False), (6700, True)])
def test_what_a_guest_offers_as_dhcp_server_reaches_nobody(boot, port, arrives):
    rogue, victim = on(boot(10), 10), on(boot(11), 11)
    payload = offer_of("fa:16:3e:00:00:0b", "10.77.0.200")

    with heard_by(victim, port + 1) as heard:
        send_from(rogue, payload, port)

    assert heard == ([payload.hex()] if arrives else [])


def test_a_card_that_was_unplugged_gets_no_address_any_more(wiring, boot):
    guest = boot(10)
    assert guest.dhcp()["ip"] == "10.77.0.10"
    wiring.unplug(spec_of(10).server_id)

    other = boot(11)
    other.sh("ip link set eth0 address fa:16:3e:00:00:0a")
    sh(f"nft flush chain bridge nova_lite_{BRIDGE} nl0000000b000")  # as if it could send under another's card

    assert other.dhcp(2) == {}


def test_metadata_is_told_to_nobody_whose_server_is_not_known(wiring, boot):
    guest = on(boot(10), 10)
    wiring._specs.drop(spec_of(10).server_id)

    done = guest.run("busybox", "timeout", "8", "busybox", "wget", "-O", "-", DOCUMENT)

    assert "404" in done.stderr


def test_metadata_is_not_reached_from_outside(boot, outside):
    guest = on(boot(10), 10)
    outside.sh(f"ip route add {METADATA}/32 via 192.0.2.1")
    ports = [line.split(":")[-1] for line in sh("nft list ruleset").splitlines() if "dnat to" in line]

    for port in ("80", *ports):
        done = outside.run("busybox", "timeout", "3", "busybox", "wget", "-q", "-O", "-", f"http://{METADATA}:{port}/latest/")
        assert done.returncode != 0
    assert guest.fetch(DOCUMENT)


def test_the_world_outside_sees_the_hosts_address_alone(boot, outside):
    guest = on(boot(10), 10)
    outside.sh("ip route add 10.77.0.0/24 via 192.0.2.1")  # an answer would find its way even untranslated
    code = "import socket;s=socket.create_server(('192.0.2.2',8080));s.settimeout(8);print(s.accept()[1][0])"
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.append(outside.run("/usr/bin/env", "python3", "-c", code).stdout))
    thread.start()
    time.sleep(1)

    guest.run("busybox", "timeout", "3", "busybox", "nc", "192.0.2.2", "8080")
    thread.join()

    assert said[0].strip() == "192.0.2.1"


def test_dhcp_and_names_work_beside_libvirts_own_dnsmasq(wiring, boot, tmp_path):
    sh("ip link add virbr0 type bridge")
    sh("ip address add 192.168.122.1/24 dev virbr0")
    sh("ip link set virbr0 up")
    pid_file = tmp_path / "libvirt.pid"
    sh(
        f"dnsmasq --conf-file=/dev/null --pid-file={pid_file} --bind-dynamic --interface=virbr0 --except-interface=lo "
        f"--dhcp-range=192.168.122.2,192.168.122.254 --dhcp-leasefile={tmp_path / 'libvirt.leases'} --user=root"
    )
    other = int(pid_file.read_text())
    try:
        guest = boot(10)

        assert guest.dhcp()["ip"] == "10.77.0.10"
        assert "10.77.0.10" in guest.run("busybox", "nslookup", "vm10", GATEWAY).stdout
        wiring.remove_all()
        os.kill(other, 0)  # it lives on
    finally:
        os.kill(other, signal.SIGTERM)


@pytest.mark.parametrize("called", ["0", "1"])
def test_guests_talk_whether_bridged_packets_pass_the_hosts_rules_or_not(boot, outside, called):
    with contextlib.suppress(FileNotFoundError), open("/proc/sys/net/bridge/bridge-nf-call-iptables", "w") as setting:
        setting.write(called)
    one, two = on(boot(10), 10), on(boot(11), 11)

    assert one.pings("10.77.0.11")
    assert two.pings("192.0.2.2")
    assert one.fetch(DOCUMENT)


@pytest.mark.parametrize("again", [HostWiring.mend, lambda wiring: wiring.ensure_network(spec_of(10).interfaces[0])])
def test_a_guest_is_connected_again_when_its_bridge_was_removed_by_hand(wiring, boot, outside, again):
    guest = boot(10)
    sh(f"ip link delete {BRIDGE}")

    again(wiring)

    assert guest.dhcp(5)["ip"] == "10.77.0.10"
    assert guest.fetch(DOCUMENT)
    assert guest.pings("192.0.2.2")


def test_taps_are_removed_although_their_bridge_is_gone(wiring, folder):
    spec = spec_of(10)
    wiring.ensure_network(spec.interfaces[0])
    wiring.plug(spec.server_id, spec.interfaces[0])
    sh(f"ip link delete {BRIDGE}")

    removed = HostWiring(folder / "wiring").remove_all()

    assert "link nl0000000a000" in removed
    assert "nl0000000a000" not in sh("ip link")


def test_a_bridge_of_the_operators_is_used_and_stays(wiring):
    sh(f"ip link add {BRIDGE} type bridge")
    spec = spec_of(10)
    wiring.ensure_network(spec.interfaces[0])
    wiring.plug(spec.server_id, spec.interfaces[0])

    wiring.remove_all()

    assert BRIDGE in sh("ip link")
    assert "nl0000000a000" not in sh("ip link")
    assert "inet" not in sh(f"ip -4 address show dev {BRIDGE}")
