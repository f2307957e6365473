"""What guests of this host can be built of, as libvirt, QEMU and the kernel tell it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Collection, Iterator
from pathlib import Path

import libvirt

from nova_lite.compute.virt.libvirt.devices_xml import DISK_BUSES, NIC_MODELS, SCSI_MODELS
from nova_lite.model.hardware.devices import INPUT_BUSES, VIDEO_MODELS
from nova_lite.model.hardware.guest import PAGE_1G_KIB, PAGE_2M_KIB
from nova_lite.model.hardware.host import HostHardware, HostNode

KINDS = ("pc", "q35")
FAMILIES = ("pc-i440fx-", "pc-q35-")
MOUNTS = Path("/proc/self/mounts")
_KIB = {"K": 1, "M": 1024, "G": 1024**2}


def read(connection: libvirt.virConnect, capabilities: ET.Element, *, kvm: bool, nic_limits: bool) -> HostHardware:
    """Gather it: the host's own capabilities are given, those of domains are asked for."""
    domains = {kind: _domain_capabilities(connection, kind, kvm=kvm) for kind in KINDS}
    pc = domains["pc"]
    buses = tuple(bus for bus in DISK_BUSES if bus in _values(pc, "./devices/disk/enum[@name='bus']"))
    return HostHardware(
        machines=machines(capabilities),
        uefi_machines=tuple(kind for kind in KINDS if "efi" in _values(domains[kind], "./os/enum[@name='firmware']")),
        disk_buses=buses,
        cdrom_buses=tuple(bus for bus in buses if bus != "virtio"),  # no such CD-ROM exists
        scsi_models=SCSI_MODELS if "scsi" in buses else (),
        nic_models=NIC_MODELS,
        video_models=tuple(one for one in VIDEO_MODELS if one in _values(pc, "./devices/video/enum[@name='modelType']")),
        input_buses=INPUT_BUSES,
        rng_models=tuple(one for one in ("virtio",) if one in _values(pc, "./devices/rng/enum[@name='model']")),
        watchdog=True,
        cpu_limits=has_cpu_controller(mounts()),
        nic_limits=nic_limits,
        nodes=nodes(capabilities),
    )


def mounts() -> str:
    """Give the kernel's list of what is mounted."""
    return MOUNTS.read_text(encoding="ascii", errors="replace")


def _domain_capabilities(connection: libvirt.virConnect, kind: str, *, kvm: bool) -> ET.Element:
    text = connection.getDomainCapabilities(None, "x86_64", kind, "kvm" if kvm else "qemu", 0)
    return ET.fromstring(text)  # noqa: S314 - libvirt wrote it


def _values(capabilities: ET.Element, path: str) -> Collection[str]:
    return {value.text or "" for value in capabilities.findall(f"{path}/value")}


def machines(capabilities: ET.Element) -> tuple[str, ...]:
    """List the machine types, newest names and old ones, of the two kinds that guests are made as."""
    found = capabilities.findall("./guest/arch[@name='x86_64']//machine")
    names = {name for machine in found if (name := machine.text or "") in KINDS or name.startswith(FAMILIES)}
    return tuple(sorted(names))


def nodes(capabilities: ET.Element) -> tuple[HostNode, ...]:
    """List the NUMA nodes."""
    return tuple(
        HostNode(
            id=int(cell.get("id", "0")),
            cpus=tuple(sorted(int(cpu.get("id", "0")) for cpu in cell.findall("./cpus/cpu"))),
            ram_mib=int(cell.findtext("memory") or "0") // 1024,
        )
        for cell in capabilities.findall("./host/topology/cells/cell")
    )


def huge_pages(capabilities: ET.Element, mounts: str) -> tuple[int, int]:
    """Count the pages of 2 MiB and of 1 GiB that the kernel keeps for guests, of the sizes whose file system is mounted."""
    cells = capabilities.findall("./host/topology/cells/cell")
    reached = _mounted_page_sizes(mounts)

    def count(kib: int) -> int:
        pages = (found for cell in cells for found in cell.findall(f"pages[@size='{kib}']"))
        return sum(int(found.text or "0") for found in pages) if kib in reached else 0

    return count(PAGE_2M_KIB), count(PAGE_1G_KIB)


def _mounted_page_sizes(mounts: str) -> set[int]:
    """Give the sizes in KiB; a mount that says none has the kernel's usual one, of 2 MiB."""
    found = set()
    for _place, kind, options in _mounted(mounts):
        if kind == "hugetlbfs":
            said = [option.removeprefix("pagesize=") for option in options if option.startswith("pagesize=")]
            found.add(int(said[0][:-1]) * _KIB[said[0][-1]] if said else PAGE_2M_KIB)
    return found


def _mounted(mounts: str) -> Iterator[tuple[str, str, list[str]]]:
    """Go through the lines of the kernel's list of mounts: place, kind and options of each."""
    for line in mounts.splitlines():
        _device, place, kind, options, *_rest = line.split(" ")
        yield place, kind, options.split(",")


def has_cpu_controller(mounts: str) -> bool:
    """Whether the kernel's controller of processor time is mounted, of either version of control groups."""
    for place, kind, options in _mounted(mounts):
        if kind == "cgroup" and "cpu" in options:
            return True
        if kind == "cgroup2":
            try:
                if "cpu" in Path(place, "cgroup.controllers").read_text(encoding="ascii").split():
                    return True
            except OSError:
                continue
    return False
