"""A guest's processor and memory as domain XML: where they run, in which pages, and how they appear to the guest."""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from nova_lite.compute.pins import Placing
from nova_lite.compute.virt.libvirt.element import add, add_numbers, cpu_set
from nova_lite.model.hardware.guest import SMALL_PAGE_KIB, GuestHardware
from nova_lite.model.hardware.host import HostNode


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seat:
    """The guest's place on this host. `shared` are the processors for all that has none of its own; () means any."""

    placing: Placing = dataclasses.field(default_factory=Placing)
    shared: tuple[int, ...] = ()
    nodes: Sequence[HostNode] = ()


def add_memory(domain: ET.Element, ram_mib: int, hardware: GuestHardware) -> None:
    """Add the memory, and the size of its pages where that was asked for."""
    add(domain, "memory", str(ram_mib), unit="MiB")
    if hardware.page_kib is not None and hardware.page_kib > SMALL_PAGE_KIB:
        pages = add(add(domain, "memoryBacking"), "hugepages")
        add(pages, "page", size=str(hardware.page_kib), unit="KiB")


def add_vcpus(domain: ET.Element, vcpus: int, hardware: GuestHardware, seat: Seat) -> None:
    """Add the vCPUs, the bounds of their time, and the processors on which they and the emulator run."""
    element = add(domain, "vcpu", str(vcpus), placement="static")
    if seat.shared:
        element.set("cpuset", cpu_set(seat.shared))
    tune = hardware.cpu_tune
    add_numbers(domain, "cputune", {"shares": tune.shares, "period": tune.period_us, "quota": tune.quota_us})
    pins = _pins(vcpus, hardware, seat)
    if not pins:
        return
    tuned = domain.find("cputune")
    tuned = add(domain, "cputune") if tuned is None else tuned
    for vcpu, pcpus in pins.items():
        add(tuned, "vcpupin", vcpu=str(vcpu), cpuset=cpu_set(pcpus))
    own = [pin.pcpu for pin in seat.placing.pins]
    beside = seat.shared or own
    if beside:
        add(tuned, "emulatorpin", cpuset=cpu_set(beside))


def _pins(vcpus: int, hardware: GuestHardware, seat: Seat) -> dict[int, tuple[int, ...]]:
    """Give the processors of each vCPU that may not run anywhere: its own, or those of its NUMA node."""
    found: dict[int, tuple[int, ...]] = {}
    nodes = {node.id: node for node in seat.nodes}
    for cell, number in zip(hardware.cells, seat.placing.nodes, strict=False):
        on_node = nodes[number].cpus
        near = tuple(cpu for cpu in on_node if cpu in seat.shared) if seat.shared else on_node
        found |= {vcpu: near or seat.shared for vcpu in cell.cpus}
    found |= {pin.vcpu: (pin.pcpu,) for pin in seat.placing.pins}
    return dict(sorted(found.items()))


def add_numa_tune(domain: ET.Element, seat: Seat) -> None:
    """Bind the memory of each of the guest's NUMA nodes to its node of the host."""
    nodes = seat.placing.nodes
    if not nodes:
        return
    element = add(domain, "numatune")
    add(element, "memory", mode="strict", nodeset=cpu_set(nodes))
    for cell, node in enumerate(nodes):
        add(element, "memnode", cellid=str(cell), mode="strict", nodeset=str(node))


def add_cpu(domain: ET.Element, hardware: GuestHardware, *, kvm: bool) -> None:
    """Add what kind of processor it is, its topology and its NUMA nodes."""
    cpu = add(domain, "cpu", mode="host-passthrough" if kvm else "maximum", check="none")
    if hardware.topology is not None:
        shape = hardware.topology
        add(cpu, "topology", sockets=str(shape.sockets), cores=str(shape.cores), threads=str(shape.threads))
    if hardware.cells:
        numa = add(cpu, "numa")
        for number, cell in enumerate(hardware.cells):
            add(numa, "cell", id=str(number), cpus=cpu_set(cell.cpus), memory=str(cell.ram_mib), unit="MiB")
