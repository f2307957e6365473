"""nftables: guests leave under the host's address, reach of the host only what is made for them, and a tap lets only its
own addresses through.

Everything is in tables of our own, up to three for each bridge, changed in whole transactions; others' rules are never
touched. The anti-spoofing rules keep no state: connection tracking does not work in the bridge family on every kernel.
"""

from __future__ import annotations

from collections.abc import Sequence

from nova_lite.compute.wiring import tunnel
from nova_lite.compute.wiring.bridge import METADATA_IP
from nova_lite.compute.wiring.commands import run, succeeds

NFT = "nft"
BEFORE_OTHERS = -310  # in the bridge family's prerouting
FAMILIES = ("ip", "bridge", "inet")
RARP = "0x8035"  # with which QEMU tells where a guest has moved to


def table_name(bridge: str) -> str:
    """Name the tables of a bridge; they are told apart by their families."""
    return "nova_lite_" + "".join(letter if letter.isalnum() else f"_{ord(letter):x}_" for letter in bridge)


def tables(bridge: str, families: Sequence[str] = FAMILIES) -> tuple[tuple[str, str], ...]:
    """List the tables of a bridge: (family, table)."""
    return tuple((family, table_name(bridge)) for family in families)


def ensure_network(bridge: str, cidr: str, metadata_port: int) -> None:
    """Have the tables with what holds for all guests of a bridge. May be repeated. Raises: WiringError.

    The metadata service listens on a port that was free, so a web server of the host's may have port 80.
    """
    name = table_name(bridge)
    run(
        [NFT, "-f", "-"], _addresses(name, bridge, cidr, metadata_port) + taps_text(name) + _filter(name, bridge, metadata_port)
    )


def _addresses(table: str, bridge: str, cidr: str, metadata_port: int) -> str:
    """Translate what leaves through another interface, and find the metadata service."""
    return f"""
add table ip {table}
add chain ip {table} out {{ type nat hook postrouting priority srcnat; policy accept; }}
flush chain ip {table} out
add rule ip {table} out ip saddr {cidr} ip daddr != {{ {cidr}, 224.0.0.0/4, 255.255.255.255 }} oifname != "{bridge}" masquerade
add chain ip {table} in {{ type nat hook prerouting priority dstnat; policy accept; }}
flush chain ip {table} in
add rule ip {table} in iifname "{bridge}" ip daddr {METADATA_IP} tcp dport 80 dnat to {METADATA_IP}:{metadata_port}
"""


def taps_text(table: str) -> str:
    """Write the rules that send what comes out of a tap through the tap's own rules."""
    return f"""
add table bridge {table}
add map bridge {table} taps {{ type ifname : verdict; }}
add chain bridge {table} in {{ type filter hook prerouting priority {BEFORE_OTHERS}; policy accept; }}
flush chain bridge {table} in
add rule bridge {table} in iifname vmap @taps
"""


def _filter(table: str, bridge: str, metadata_port: int) -> str:
    """Let guests have addresses, names and metadata of the host and nothing else; let nobody outside begin with them.

    To the port of the hosts' tunnels they send nothing: it would come into other projects' networks.
    """
    return f"""
add table inet {table}
add chain inet {table} guests
flush chain inet {table} guests
add rule inet {table} guests ct state established,related accept
add rule inet {table} guests meta nfproto ipv4 udp dport {{ 53, 67 }} accept
add rule inet {table} guests meta nfproto ipv4 tcp dport 53 accept
add rule inet {table} guests ip daddr {METADATA_IP} tcp dport {metadata_port} accept
add rule inet {table} guests icmp type echo-request accept
add rule inet {table} guests meta pkttype != unicast drop
add rule inet {table} guests reject with icmpx admin-prohibited
add chain inet {table} in {{ type filter hook input priority filter; policy accept; }}
flush chain inet {table} in
add rule inet {table} in iifname "{bridge}" jump guests
add chain inet {table} through {{ type filter hook forward priority filter; policy accept; }}
flush chain inet {table} through
add rule inet {table} through iifname "{bridge}" oifname != "{bridge}" udp dport {tunnel.PORT} drop
add rule inet {table} through oifname != "{bridge}" accept
add rule inet {table} through iifname "{bridge}" accept
add rule inet {table} through ct state established,related accept
add rule inet {table} through reject with icmpx admin-prohibited
"""


def ensure_tap(bridge: str, tap: str, mac: str, own: Sequence[str], *, announced: bool = False) -> None:
    """Let only these addresses out of a tap: frames, ARP and IPv4; DHCP requests too. May be repeated. Raises: WiringError.

    announced: also what QEMU says for a guest that came from another host, for which other hosts then look here
    """
    table, addresses = f"bridge {table_name(bridge)}", ", ".join(own)
    announcement = f"add rule {table} {tap} ether type {RARP} accept" if announced else ""
    run(
        [NFT, "-f", "-"],
        f"""
add chain {table} {tap}
flush chain {table} {tap}
add rule {table} {tap} ether saddr != {mac} drop
add rule {table} {tap} arp saddr ether != {mac} drop
add rule {table} {tap} arp saddr ip != {{ {addresses}, 0.0.0.0 }} drop
add rule {table} {tap} ether type arp accept
{announcement}
add rule {table} {tap} udp sport 67 drop
add rule {table} {tap} ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept
add rule {table} {tap} ip saddr {{ {addresses} }} accept
add rule {table} {tap} drop
add element {table} taps {{ "{tap}" : jump {tap} }}
""",
    )


def remove_tap(bridge: str, tap: str) -> None:
    """Forget a tap's rules; nothing to forget is success (what is added first can always be deleted)."""
    table = f"bridge {table_name(bridge)}"
    text = f"""
add chain {table} {tap}
add element {table} taps {{ "{tap}" : jump {tap} }}
delete element {table} taps {{ "{tap}" : jump {tap} }}
delete chain {table} {tap}
"""
    if succeeds([NFT, "list", "table", *table.split()]):
        run([NFT, "-f", "-"], text)


def remove_network(bridge: str) -> None:
    """Remove our tables of a bridge; nothing to remove is success."""
    for family, table in tables(bridge):
        succeeds([NFT, "delete", "table", family, table])


def present() -> frozenset[tuple[str, str]]:
    """Read the names of all tables of this machine: (family, table)."""
    lines = (line.split() for line in run([NFT, "list", "tables"]).splitlines())
    return frozenset((words[1], words[2]) for words in lines if len(words) > len(("table", "family")))


def ours(bridge: str) -> tuple[str, ...]:
    """List the tables that are there."""
    return tuple(f"{family} {table}" for family, table in tables(bridge) if succeeds([NFT, "list", "table", family, table]))
