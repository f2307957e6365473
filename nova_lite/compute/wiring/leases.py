"""Leases that dnsmasq has given out: one that a guest never gave back would keep the address from its next owner."""

from __future__ import annotations

import dataclasses
import ipaddress
import secrets
import socket
import struct
from pathlib import Path

from nova_lite.compute.wiring.port import WiringError

SERVER_PORT = 67
MAGIC = b"\x63\x82\x53\x63"
RELEASE = 7
MESSAGE_TYPE, SERVER_ID, CLIENT_ID, END = 53, 54, 61, 255


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lease:
    """A line of the lease file. `client_id` is what the guest called itself; empty: nothing."""

    mac_address: str
    ip_address: str
    client_id: bytes


def read(path: Path) -> tuple[Lease, ...]:
    """Read dnsmasq's lease file (`end mac address name client-id`); what is none of that is left out."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return ()
    fields = (line.split() for line in lines)
    return tuple(Lease(mac_address=one[1], ip_address=one[2], client_id=_client_id(one[4])) for one in fields if len(one) == 5)


def _client_id(text: str) -> bytes:
    try:
        return bytes.fromhex(text.replace(":", ""))
    except ValueError:  # a star: none was sent
        return b""


def give_back(lease: Lease, bridge: str, server: str) -> None:
    """Tell dnsmasq, in its guest's stead, that a lease has ended (RFC 2131, DHCPRELEASE). Raises: WiringError."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, bridge.encode("ascii"))
            sender.sendto(message(lease, server), (server, SERVER_PORT))
    except OSError as error:
        raise WiringError(f"A lease on {bridge} could not be given back: {error.strerror}.") from error


def message(lease: Lease, server: str) -> bytes:
    """Make the message: a BOOTP request with three options."""
    head = struct.pack("!BBBB4sHH", 1, 1, 6, 0, secrets.token_bytes(4), 0, 0)
    addresses = ipaddress.IPv4Address(lease.ip_address).packed + bytes(12)
    hardware = bytes.fromhex(lease.mac_address.replace(":", "")).ljust(16, b"\0")
    options = bytes([MESSAGE_TYPE, 1, RELEASE, SERVER_ID, 4]) + ipaddress.IPv4Address(server).packed
    if lease.client_id:
        options += bytes([CLIENT_ID, len(lease.client_id)]) + lease.client_id
    return head + addresses + hardware + bytes(64 + 128) + MAGIC + options + bytes([END])
