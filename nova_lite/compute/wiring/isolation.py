"""nftables for an isolated network: between its bridge and the host there is nothing, and its tunnel leaves DHCP and metadata
to each host itself. What the taps let out is in `firewall`.
"""

from __future__ import annotations

from nova_lite.compute.wiring import firewall
from nova_lite.compute.wiring.bridge import METADATA_IP
from nova_lite.compute.wiring.commands import run

FAMILIES = ("bridge", "inet")


def ensure(bridge: str, tunnel: str) -> None:
    """Have the tables of a network; the links need not be there. May be repeated. Raises: WiringError."""
    name = firewall.table_name(bridge)
    run([firewall.NFT, "-f", "-"], firewall.taps_text(name) + _tunnel(name, tunnel) + _host(name, bridge))


def _tunnel(table: str, tunnel: str) -> str:
    """Let neither DHCP nor anything of the metadata address through the tunnel: every host has its own."""
    return f"""
add chain bridge {table} local
flush chain bridge {table} local
add rule bridge {table} local arp saddr ip {METADATA_IP} drop
add rule bridge {table} local arp daddr ip {METADATA_IP} drop
add rule bridge {table} local ip saddr {METADATA_IP} drop
add rule bridge {table} local ip daddr {METADATA_IP} drop
add rule bridge {table} local udp sport {{ 67, 68 }} drop
add rule bridge {table} local udp dport {{ 67, 68 }} drop
add rule bridge {table} in iifname "{tunnel}" jump local
add chain bridge {table} out {{ type filter hook postrouting priority filter; policy accept; }}
flush chain bridge {table} out
add rule bridge {table} out oifname "{tunnel}" jump local
"""


def _host(table: str, bridge: str) -> str:
    """Drop packets that the host would take, send or pass on over the bridge; it answers no ARP there either (`bridge`).

    Where bridged packets pass the host's rules (br_netfilter), they come from the bridge and go to it, and are let through.
    They are not tracked: the same addresses in two networks would be one connection, and the host's translation of
    addresses, for whatever range, does not touch what is not tracked.
    """
    return f"""
add table inet {table}
add chain inet {table} untracked {{ type filter hook prerouting priority raw; policy accept; }}
flush chain inet {table} untracked
add rule inet {table} untracked iifname "{bridge}" notrack
add chain inet {table} in {{ type filter hook input priority filter; policy accept; }}
flush chain inet {table} in
add rule inet {table} in iifname "{bridge}" drop
add chain inet {table} out {{ type filter hook output priority filter; policy accept; }}
flush chain inet {table} out
add rule inet {table} out oifname "{bridge}" drop
add chain inet {table} through {{ type filter hook forward priority filter; policy accept; }}
flush chain inet {table} through
add rule inet {table} through iifname "{bridge}" oifname "{bridge}" accept
add rule inet {table} through iifname "{bridge}" drop
add rule inet {table} through oifname "{bridge}" drop
"""
