"""Bridges and taps, made and removed with iproute2. What we made carries our mark as its alias."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from nova_lite.compute.wiring.commands import run, succeeds
from nova_lite.compute.wiring.port import WiringError

IP = "ip"
MARK = "nova-lite"
METADATA_IP = "169.254.169.254"
TAP_PREFIX = "nl"
SYSCTL = Path("/proc/sys/net")
FORWARDING = SYSCTL / "ipv4/ip_forward"


def tap_name(port_id: str) -> str:
    """Name a port's tap: 13 characters, the kernel takes 15."""
    return TAP_PREFIX + port_id.replace("-", "")[:11]


def links() -> dict[str, dict[str, Any]]:
    """Read all links of this machine by name."""
    return {link["ifname"]: link for link in json.loads(run([IP, "-json", "link", "show"]) or "[]")}


def wanted_addresses(gateway: str | None, prefix_length: int) -> tuple[str, ...]:
    """List the addresses that a bridge needs, with their lengths."""
    return (*([f"{gateway}/{prefix_length}"] if gateway is not None else []), f"{METADATA_IP}/32")


def read_addresses(name: str) -> tuple[str, ...]:
    """Read the IPv4 addresses of a link, with their lengths; none when there is no such link."""
    found = json.loads(run([IP, "-json", "-4", "address", "show"]) or "[]")
    return tuple(
        f"{one['local']}/{one['prefixlen']}" for link in found if link.get("ifname") == name for one in link["addr_info"]
    )


def remove_address(name: str, address: str) -> None:
    """Take an address from a link; nothing to take is success."""
    succeeds([IP, "address", "delete", address, "dev", name])


def ensure_bridge(name: str, addresses: Sequence[str], mtu: int) -> bool:
    """Have the bridge up, with the addresses that `wanted_addresses` gives. May be repeated. Raises: WiringError.

    A bridge of that name which an operator made is used as it is, and stays when ours are removed. Say whether it was made now.
    """
    wanted = []
    missing = name not in links()
    if missing:
        wanted += [
            f"link add name {name} address {mac_of(name)} type bridge forward_delay 0",
            f"link set dev {name} alias {MARK}",
        ]
    wanted.append(f"link set dev {name} mtu {mtu} up")
    for address in addresses:
        wanted.append(f"address replace {address} dev {name}{' scope link' if address.startswith(METADATA_IP) else ''}")
    batch(wanted)
    has_gateway = any(not address.startswith(METADATA_IP) for address in addresses)
    if has_gateway and FORWARDING.read_text(encoding="ascii").strip() != "1":
        _forward()
    return missing


def ensure_bare_bridge(name: str, mtu: int) -> bool:
    """Have a bridge of ours up that the host itself has no part in; say whether it was made now. Raises: WiringError.

    It has no address and no IPv6. By ARP the host would answer there for what addresses it has elsewhere: it has none.
    """
    found = links().get(name)
    if found is None:
        make = f"link add name {name} address {mac_of(name)} type bridge forward_delay 0"
        batch([make, f"link set dev {name} alias {MARK}"])
    elif found.get("ifalias") != MARK:
        raise WiringError(f"A link {name} is there that was not made for its network.")
    forbid_ipv6(name)
    batch([f"link set dev {name} mtu {mtu} arp off up"])
    return found is None


def forbid_ipv6(name: str) -> None:
    """Let the host have no IPv6 address on a link: it would give itself one, and say so there. Raises: WiringError."""
    setting = SYSCTL / "ipv6/conf" / name / "disable_ipv6"
    if setting.exists():  # not where the kernel has no IPv6 at all
        set_kernel(setting, "1")


def set_kernel(setting: Path, value: str) -> None:
    """Set a value of the kernel's, in the calling thread's namespace. Raises: WiringError."""
    try:
        setting.write_text(f"{value}\n", encoding="ascii")
    except OSError as error:
        raise WiringError(f"{setting} cannot be set: {error.strerror}.") from error


def _forward() -> None:
    """Let the kernel pass packets on. Never unset: others may have come to need it. Raises: WiringError."""
    try:
        FORWARDING.write_text("1\n", encoding="ascii")
    except OSError as error:
        raise WiringError("The kernel does not pass packets on (net.ipv4.ip_forward), and it cannot be set.") from error


def mac_of(name: str) -> str:
    """Fix the bridge's address: else it changes with each tap, and guests lose their gateway for a while."""
    digest = hashlib.sha256(name.encode()).digest()
    return "02:" + ":".join(f"{byte:02x}" for byte in digest[:5])


def ensure_tap(name: str, bridge: str, mtu: int, *, queues: int = 1, ipv6: bool = True) -> None:
    """Have a tap on the bridge, up; QEMU may open it once for each of several queues. May be repeated. Raises: WiringError."""
    many = " multi_queue" if queues > 1 else ""
    made = [] if name in links() else [f"tuntap add dev {name} mode tap{many}"]
    made.append(f"link set dev {name} alias {MARK}")
    used = [f"link set dev {name} mtu {mtu} master {bridge} up"]
    if ipv6:
        batch([*made, *used])
    else:
        batch(made)
        forbid_ipv6(name)
        batch(used)


def batch(lines: Sequence[str]) -> None:
    """Run several commands of `ip` in one process; the first failure ends it. Raises: WiringError."""
    run([IP, "-batch", "-"], "\n".join(lines) + "\n")


def remove_link(name: str) -> None:
    """Remove a bridge or tap; nothing to remove is success."""
    succeeds([IP, "link", "delete", "dev", name])


def marked(names: Iterable[str]) -> tuple[str, ...]:
    """Give those of the links that are there and were made by us."""
    found = links()
    return tuple(sorted(name for name in names if found.get(name, {}).get("ifalias") == MARK))


def ours(bridge: str) -> tuple[str, ...]:
    """List the bridge and its taps, as far as we made them."""
    found = links()
    own = found.get(bridge)
    mine = [name for name, link in found.items() if link.get("master") == bridge and link.get("ifalias") == MARK]
    return (*sorted(mine), *([bridge] if own is not None and own.get("ifalias") == MARK else []))
