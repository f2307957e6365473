"""What guests of a simulated host can be built of: by default all that a host with libvirt offers, on one NUMA node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nova_lite.model.hardware import host as host_hardware
from nova_lite.model.hardware.host import HostHardware, HostNode
from nova_lite.model.resources import AMOUNTS, Resources


def total(given: Mapping[str, Any], usual: Resources) -> Resources:
    """Give the amounts: those that are wanted, else the usual ones; dedicated CPUs and huge pages only where wanted."""
    return Resources(**{name: int(given.get(name, getattr(usual, name))) for name in AMOUNTS})


def offered(given: Mapping[str, Any], amounts: Resources) -> str:
    """Give what is offered, as facts carry it. `numa_nodes` of what is wanted divides the host evenly."""
    count = int(given.get("numa_nodes", 1))
    each = amounts.vcpus // count
    nodes = tuple(
        HostNode(id=number, cpus=tuple(range(number * each, (number + 1) * each)), ram_mib=amounts.ram_mib // count)
        for number in range(count)
    )
    return host_hardware.to_text(
        HostHardware(
            machines=("pc", "q35"),
            uefi_machines=("pc", "q35"),
            disk_buses=("virtio", "scsi", "sata", "ide", "usb"),
            cdrom_buses=("ide", "sata", "scsi", "usb"),
            scsi_models=("virtio-scsi", "lsilogic"),
            nic_models=("virtio", "e1000", "e1000e", "rtl8139"),
            video_models=("vga", "virtio", "qxl", "cirrus", "bochs", "none"),
            input_buses=("virtio", "usb"),
            rng_models=("virtio",),
            watchdog=True,
            cpu_limits=True,
            nic_limits=True,
            nodes=nodes,
        )
    )
