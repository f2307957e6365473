"""nftables: addresses of guests are translated on their way out, and a tap lets only its own addresses through.

Everything is in tables of our own, one pair for each bridge, changed in whole transactions; others' rules are never
touched. The anti-spoofing rules keep no state: connection tracking does not work in this family on every kernel.
"""

from __future__ import annotations

from nova_lite.compute.wiring.commands import run, succeeds

NFT = "nft"
BEFORE_OTHERS = -310  # in the bridge family's prerouting


def tables(bridge: str) -> tuple[tuple[str, str], ...]:
    """Name the tables of a bridge: (family, table)."""
    safe = "".join(letter if letter.isalnum() else f"_{ord(letter):x}_" for letter in bridge)
    return (("ip", f"nova_lite_{safe}"), ("bridge", f"nova_lite_{safe}"))


def ensure_network(bridge: str, cidr: str) -> None:
    """Have the tables, and translation of what leaves through another interface. May be repeated. Raises: WiringError."""
    (_, nat), (_, guests) = tables(bridge)
    run(
        [NFT, "-f", "-"],
        f"""
add table ip {nat}
add chain ip {nat} out {{ type nat hook postrouting priority srcnat; policy accept; }}
flush chain ip {nat} out
add rule ip {nat} out ip saddr {cidr} ip daddr != {cidr} oifname != "{bridge}" masquerade
add table bridge {guests}
add map bridge {guests} taps {{ type ifname : verdict; }}
add chain bridge {guests} in {{ type filter hook prerouting priority {BEFORE_OTHERS}; policy accept; }}
flush chain bridge {guests} in
add rule bridge {guests} in iifname vmap @taps
""",
    )


def ensure_tap(bridge: str, tap: str, mac: str, address: str) -> None:
    """Let only these addresses out of a tap: frames, ARP and IPv4; DHCP requests too. May be repeated. Raises: WiringError."""
    table = f"bridge {tables(bridge)[1][1]}"
    run(
        [NFT, "-f", "-"],
        f"""
add chain {table} {tap}
flush chain {table} {tap}
add rule {table} {tap} ether saddr != {mac} drop
add rule {table} {tap} arp saddr ether != {mac} drop
add rule {table} {tap} arp saddr ip != {{ {address}, 0.0.0.0 }} drop
add rule {table} {tap} ether type arp accept
add rule {table} {tap} udp sport 67 drop
add rule {table} {tap} ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept
add rule {table} {tap} ip saddr {address} accept
add rule {table} {tap} drop
add element {table} taps {{ "{tap}" : jump {tap} }}
""",
    )


def remove_tap(bridge: str, tap: str) -> None:
    """Forget a tap's rules; nothing to forget is success (what is added first can always be deleted)."""
    table = f"bridge {tables(bridge)[1][1]}"
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


def ours(bridge: str) -> tuple[str, ...]:
    """List the tables that are there."""
    return tuple(f"{family} {table}" for family, table in tables(bridge) if succeeds([NFT, "list", "table", family, table]))
