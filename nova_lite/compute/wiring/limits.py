"""Whether this kernel can bound what a tap carries. Having `tc` proves nothing: each part may be missing from a kernel."""

from __future__ import annotations

from nova_lite.compute.wiring.commands import run, succeeds
from nova_lite.compute.wiring.port import WiringError

TC, IP = "tc", "ip"
TRIAL = "nl-tc-trial"
# What libvirt uses: for what goes to the guest a class with a fair queue and a filter, for what comes from it a policeman.
PARTS = (
    "qdisc add dev {} root handle 1: htb default 1",
    "class add dev {} parent 1: classid 1:1 htb rate 1000kbps",
    "qdisc add dev {} parent 1:1 handle 2: sfq perturb 10",
    "filter add dev {} parent 1:0 protocol all prio 1 handle 1 fw flowid 1",
    "qdisc add dev {} ingress",
    "filter add dev {} parent ffff: protocol all u32 match u32 0 0 police rate 1000kbps burst 100kb mtu 64kb drop flowid :1",
)


def are_possible() -> bool:
    """Try all of it on a tap of our own, which is removed again."""
    try:
        run([IP, "tuntap", "add", "dev", TRIAL, "mode", "tap"])
        for part in PARTS:
            run([TC, *part.format(TRIAL).split()])
    except WiringError:
        return False
    finally:
        succeeds([IP, "link", "delete", "dev", TRIAL])
    return True
