"""VXLAN between the hosts of an isolated network (RFC 7348). They find each other by multicast: nobody keeps a list."""

from __future__ import annotations

import ipaddress
import json
import logging
from typing import Any

from nova_lite.compute.wiring import bridge
from nova_lite.compute.wiring.commands import run
from nova_lite.compute.wiring.port import WiringError

LOG = logging.getLogger(__name__)
PORT = 4789
HOPS = 8
OVERHEAD = 50  # outer Ethernet, IPv4, UDP and VXLAN headers
# All tunnels share a socket, and Linux lets a socket join 20 groups (net.ipv4.igmp_max_memberships). So networks share groups:
# what is not for one of a host's networks is dropped there by its number.
GROUPS = 16
FIRST_GROUP = ipaddress.IPv4Address("239.192.4.0")  # organization-local (RFC 2365)


def name_of(bridge_name: str) -> str:
    """Name the tunnel's link: the bridge's name with another third letter, as the names of these bridges all have the same."""
    return f"{bridge_name[:2]}x{bridge_name[3:]}"


def group_of(segment: int) -> str:
    """Give the group that a network's hosts are in."""
    return str(FIRST_GROUP + segment % GROUPS)


def is_wanted(address: str | None) -> bool:
    """Whether other hosts reach this one at its address: a cloud of one machine needs no tunnels."""
    return address is not None and not ipaddress.ip_address(address).is_loopback


def ensure(bridge_name: str, segment: int, mtu: int, address: str | None) -> None:
    """Have the tunnel, from this host's address, on the bridge, if it is wanted. May be repeated. Raises: WiringError."""
    name = name_of(bridge_name)
    if address is None or not is_wanted(address):
        bridge.remove_link(name)
        return
    device, room = _underlay(address)
    wanted = {"id": segment, "group": group_of(segment), "link": device, "local": address, "port": PORT}
    found = _read(name)
    if found != wanted:
        bridge.remove_link(name)  # the host has another address now, or the name was another network's
        kind = f"type vxlan id {segment} group {wanted['group']} dev {device} local {address} dstport {PORT} ttl {HOPS}"
        bridge.batch([f"link add name {name} {kind}", f"link set dev {name} alias {bridge.MARK}"])
        if mtu > room:
            LOG.warning("%s carries %d bytes, guests of %s send up to %d: some are lost.", device, room, bridge_name, mtu)
    bridge.forbid_ipv6(name)
    bridge.batch([f"link set dev {name} mtu {min(mtu, room)} master {bridge_name} up"])


def _underlay(address: str) -> tuple[str, int]:
    """Find the device with the host's address, and how long a guest's packet may be to get through it. Raises: WiringError."""
    found = json.loads(run([bridge.IP, "-json", "-4", "address", "show"]) or "[]")
    for link in found:
        if any(one["local"] == address for one in link.get("addr_info", ())):
            return link["ifname"], link["mtu"] - OVERHEAD
    raise WiringError(f"No device of this host has its address, {address}: guests would not reach those of other hosts.")


def _read(name: str) -> dict[str, Any] | None:
    """Read what a tunnel is; None where there is none."""
    found = json.loads(run([bridge.IP, "-json", "-details", "link", "show", "type", "vxlan"]) or "[]")
    data = next((link["linkinfo"]["info_data"] for link in found if link.get("ifname") == name), None)
    return data and {key: data.get(key) for key in ("id", "group", "link", "local", "port")}
