"""What this machine is and has, as libvirt and the file system tell it."""

from __future__ import annotations

import dataclasses
import json
import os
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import libvirt

from nova_lite.compute.disks.tool import free_bytes
from nova_lite.compute.virt.libvirt import offered, traits
from nova_lite.model.hardware import host as host_hardware
from nova_lite.model.hardware.host import HostNode
from nova_lite.model.host import HostFacts
from nova_lite.model.ids import HostName
from nova_lite.model.resources import Resources

GIB = 1024**3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """Which host this is, and what is not for guests. `folder` lies on the file system that guests' disks are on."""

    host: HostName
    zone: str
    host_ip: str
    folder: Path
    kvm: bool
    reserved_ram_mib: int
    reserved_disk_gib: int = 0
    nic_limits: bool = False  # its kernel can bound what guests' network cards carry
    dedicated: tuple[int, ...] = ()  # processors that are kept for guests with dedicated CPUs


def read(connection: libvirt.virConnect, place: Place, guests_bytes: int) -> HostFacts:
    """Gather the facts. `guests_bytes`: what guests' disks take now; all else on the file system is reserved."""
    _model, nodes_mib, cpus, *_rest = connection.getInfo()
    ram_mib = max(nodes_mib, _memory_mib())
    total_gib, others_gib = _disk(place.folder, guests_bytes)
    kept_gib = place.reserved_disk_gib
    capabilities = ET.fromstring(connection.getCapabilities())  # noqa: S314 - libvirt wrote it
    cpu = _cpu(capabilities)
    pages_2m, pages_1g = offered.huge_pages(capabilities, offered.mounts())
    paged_mib = pages_2m * 2 + pages_1g * 1024
    present = {cpu for node in offered.nodes(capabilities) for cpu in node.cpus}
    dedicated = len(present.intersection(place.dedicated))
    return HostFacts(
        hypervisor_type="KVM" if place.kvm else "QEMU",
        hypervisor_version=connection.getVersion(),
        hypervisor_hostname=place.host,
        architectures=(cpu["arch"],),
        cpu_info=json.dumps(cpu, sort_keys=True) if "model" in cpu else "{}",
        total=Resources(
            vcpus=max(0, cpus - dedicated),
            ram_mib=ram_mib,
            disk_gib=total_gib,
            pcpus=dedicated,
            pages_2m=pages_2m,
            pages_1g=pages_1g,
        ),
        reserved=Resources(
            ram_mib=min(place.reserved_ram_mib + paged_mib, ram_mib), disk_gib=min(others_gib + kept_gib, total_gib)
        ),
        host_ip=place.host_ip,
        zone=place.zone,
        short_of="disk" if free_bytes(place.folder) < kept_gib * GIB else "",
        traits=traits.of_host(
            cpu["arch"],
            tuple(cpu.get("features", ())),
            kvm=place.kvm,
            threads=cpu.get("topology", {}).get("threads", 1),
        ),
        hardware=host_hardware.to_text(offered.read(connection, capabilities, kvm=place.kvm, nic_limits=place.nic_limits)),
    )


def nodes(connection: libvirt.virConnect) -> tuple[HostNode, ...]:
    """Give the NUMA nodes of the machine."""
    return offered.nodes(ET.fromstring(connection.getCapabilities()))  # noqa: S314 - libvirt wrote it


def _memory_mib() -> int:
    """Give the machine's memory; libvirt adds up NUMA nodes, and misses what a virtual machine was given after its boot."""
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) // 1024
    return 0


def _disk(folder: Path, guests_bytes: int) -> tuple[int, int]:
    """Give the size of the file system and what others than guests use of it, in GiB; the image cache is such another."""
    status = os.statvfs(folder)
    total = status.f_blocks * status.f_frsize
    not_ours = total - status.f_bavail * status.f_frsize - guests_bytes
    total_gib = total // GIB
    return total_gib, min(max(-(-not_ours // GIB), 0), total_gib)


def _cpu(capabilities: ET.Element) -> dict[str, Any]:
    """Give what the Compute API shows of the processor; only the architecture when libvirt knows no more."""
    cpu = capabilities.find("./host/cpu")
    if cpu is None:
        return {"arch": "x86_64"}
    topology = cpu.find("topology")
    return {
        "arch": cpu.findtext("arch") or "x86_64",
        "model": cpu.findtext("model"),
        "vendor": cpu.findtext("vendor"),
        "features": sorted(feature.get("name", "") for feature in cpu.findall("feature")),
        "topology": {
            name: int(topology.get(name, "1")) if topology is not None else 1 for name in ("sockets", "cores", "threads")
        },
    }
