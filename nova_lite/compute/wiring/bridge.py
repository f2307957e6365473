"""Bridges and taps, made and removed with iproute2. What we made carries our mark as its alias."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from nova_lite.compute.wiring.commands import run, succeeds

IP = "ip"
MARK = "nova-lite"
METADATA_IP = "169.254.169.254"
TAP_PREFIX = "nl"
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


def tap_name(port_id: str) -> str:
    """Name a port's tap: 13 characters, the kernel takes 15."""
    return TAP_PREFIX + port_id.replace("-", "")[:11]


def links() -> dict[str, dict[str, Any]]:
    """Read all links of this machine by name."""
    return {link["ifname"]: link for link in json.loads(run([IP, "-json", "link", "show"]) or "[]")}


def ensure_bridge(name: str, gateway: str | None, prefix_length: int, mtu: int) -> None:
    """Have the bridge up, with the gateway's and the metadata service's addresses. May be repeated. Raises: WiringError."""
    if name not in links():
        run([IP, "link", "add", "name", name, "address", _mac_of(name), "type", "bridge", "forward_delay", "0"])
        run([IP, "link", "set", "dev", name, "alias", MARK])
    run([IP, "link", "set", "dev", name, "mtu", str(mtu), "up"])
    if gateway is not None:
        run([IP, "address", "replace", f"{gateway}/{prefix_length}", "dev", name])
        if FORWARDING.read_text(encoding="ascii").strip() != "1":
            FORWARDING.write_text("1\n", encoding="ascii")  # never unset: others may have come to need it
    run([IP, "address", "replace", f"{METADATA_IP}/32", "dev", name, "scope", "link"])


def _mac_of(name: str) -> str:
    """Fix the bridge's address: else it changes with each tap, and guests lose their gateway for a while."""
    digest = hashlib.sha256(name.encode()).digest()
    return "02:" + ":".join(f"{byte:02x}" for byte in digest[:5])


def ensure_tap(name: str, bridge: str, mtu: int) -> None:
    """Have a tap on the bridge, up. May be repeated. Raises: WiringError."""
    present = links().get(name)
    if present is None:
        run([IP, "tuntap", "add", "dev", name, "mode", "tap"])
        run([IP, "link", "set", "dev", name, "alias", MARK])
    run([IP, "link", "set", "dev", name, "mtu", str(mtu), "master", bridge, "up"])


def remove_link(name: str) -> None:
    """Remove a bridge or tap; nothing to remove is success."""
    succeeds([IP, "link", "delete", "dev", name])


def ours(bridge: str) -> tuple[str, ...]:
    """List the bridge and its taps, as far as we made them."""
    found = links()
    own = found.get(bridge)
    mine = [name for name, link in found.items() if link.get("master") == bridge and link.get("ifalias") == MARK]
    return (*sorted(mine), *([bridge] if own is not None and own.get("ifalias") == MARK else []))
