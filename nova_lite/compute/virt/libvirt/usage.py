"""What a running domain uses, read in libvirt's own counters."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import libvirt

from nova_lite.model.diagnostics import CpuUse, Diagnostics, DiskUse, Flow, NicUse

KIB_A_MIB = 1024
STATS = (
    libvirt.VIR_DOMAIN_STATS_VCPU
    | libvirt.VIR_DOMAIN_STATS_BALLOON
    | libvirt.VIR_DOMAIN_STATS_BLOCK
    | libvirt.VIR_DOMAIN_STATS_INTERFACE
)
Stats = dict[str, Any]


def read(connection: libvirt.virConnect, domain: libvirt.virDomain, *, kvm: bool) -> Diagnostics:
    """Read all counters at once; how long the guest runs libvirt does not count."""
    ((_, stats),) = connection.domainListGetStats([domain], STATS, 0)
    used = stats.get("balloon.rss")
    return Diagnostics(
        driver="libvirt",
        hypervisor="kvm" if kvm else "qemu",
        hypervisor_os="linux",
        uptime_s=None,
        memory_mib=stats.get("balloon.maximum", 0) // KIB_A_MIB,
        memory_used_mib=None if used is None else used // KIB_A_MIB,
        cpus=tuple(
            CpuUse(id=number, time_ns=stats.get(f"vcpu.{number}.time")) for number in range(stats.get("vcpu.current", 0))
        ),
        disks=tuple(_disk(stats, f"block.{number}.") for number in range(stats.get("block.count", 0))),
        nics=_nics(stats, domain),
    )


def _disk(stats: Stats, start: str) -> DiskUse:
    return DiskUse(
        device=str(stats.get(f"{start}name", "")),
        read_bytes=stats.get(f"{start}rd.bytes", 0),
        read_requests=stats.get(f"{start}rd.reqs", 0),
        write_bytes=stats.get(f"{start}wr.bytes", 0),
        write_requests=stats.get(f"{start}wr.reqs", 0),
        errors=stats.get(f"{start}errors"),
    )


def _nics(stats: Stats, domain: libvirt.virDomain) -> tuple[NicUse, ...]:
    """Read the interfaces: libvirt counts from the guest's side for taps of its own kind."""
    macs = _macs(domain.XMLDesc())
    found = []
    for number in range(stats.get("net.count", 0)):
        device = str(stats.get(f"net.{number}.name", ""))
        received, sent = (_flow(stats, f"net.{number}.{way}.") for way in ("rx", "tx"))
        found.append(NicUse(device=device, mac_address=macs.get(device, ""), received=received, sent=sent))
    return tuple(found)


def _flow(stats: Stats, start: str) -> Flow:
    return Flow(
        octets=stats.get(f"{start}bytes", 0),
        packets=stats.get(f"{start}pkts", 0),
        errors=stats.get(f"{start}errs", 0),
        dropped=stats.get(f"{start}drop", 0),
    )


def _macs(text: str) -> dict[str, str]:
    """Give the MAC of each tap of a domain."""
    found = {}
    for interface in ET.fromstring(text).iterfind("devices/interface"):  # noqa: S314 - libvirt wrote it
        target, mac = interface.find("target"), interface.find("mac")
        if target is not None and mac is not None:
            found[target.get("dev", "")] = mac.get("address", "")
    return found
