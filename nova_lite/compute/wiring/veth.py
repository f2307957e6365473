"""The pair of links that joins the namespace of an isolated network to its bridge."""

from __future__ import annotations

from nova_lite.compute.wiring import bridge
from nova_lite.compute.wiring.bridge import METADATA_IP
from nova_lite.compute.wiring.namespace import Namespace

INSIDE = "eth0"


def name_of(bridge_name: str) -> str:
    """Name the host's end: the bridge's name with another third letter, as the names of these bridges all have the same."""
    return f"{bridge_name[:2]}v{bridge_name[3:]}"


def ensure(bridge_name: str, mtu: int, namespace: Namespace) -> bool:
    """Have the pair up, with the metadata address inside; say whether it was made now. May be repeated. Raises: WiringError."""
    name = name_of(bridge_name)
    missing = name not in bridge.links() or INSIDE not in namespace.call(bridge.links)
    if missing:
        bridge.remove_link(name)  # of a namespace that is gone, or goes
        # The same card address on every host: a guest that moves finds the metadata where it was. It passes no tunnel.
        inside = f"name {INSIDE} address {bridge.mac_of(name)} netns {namespace.pid()}"
        bridge.batch([f"link add name {name} type veth peer {inside}", f"link set dev {name} alias {bridge.MARK}"])
    bridge.forbid_ipv6(name)
    bridge.batch([f"link set dev {name} mtu {mtu} master {bridge_name} up"])
    namespace.call(lambda: _ensure_inside(mtu))
    return missing


def _ensure_inside(mtu: int) -> None:
    """Set the end inside up. Every guest is on the link, whatever its range: so no range needs to be known here."""
    bridge.set_kernel(bridge.FORWARDING, "0")  # a new namespace has what the host has, and would pass packets on
    bridge.forbid_ipv6(INSIDE)
    bridge.batch(
        [
            "link set dev lo up",
            f"address replace {METADATA_IP}/32 dev {INSIDE}",
            f"link set dev {INSIDE} mtu {mtu} up",
            f"route replace default dev {INSIDE} scope link src {METADATA_IP}",
        ]
    )
