"""What a guest is built of: machine, firmware, devices and bounds that the host's hypervisor has to offer."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from nova_lite.model.hardware import host as host_hardware
from nova_lite.model.hardware.guest import PAGE_1G_KIB, PAGE_2M_KIB, PLAIN, SMALL_PAGE_KIB, UEFI, CpuTune, GuestHardware
from nova_lite.model.hardware.host import HostHardware
from nova_lite.model.host import Host
from nova_lite.model.placement import Effort, PlacementRequest, Refusal
from nova_lite.scheduler.filters.port import refuse

SILENT = ("has not said what guests can be built of there", "have not said what guests can be built of there")
EARLIER = HostHardware(
    machines=("pc", "q35"),
    disk_buses=("virtio", "ide", "sata"),
    nic_models=("virtio", "e1000", "e1000e", "rtl8139"),
    rng_models=("virtio",),
)
HYPERTHREADING = "HW_CPU_HYPERTHREADING"


class HardwareFilter:
    """Refuses a host that cannot build the guest as flavor and image want it."""

    name = "hardware"

    def concerns(self, request: PlacementRequest) -> bool:
        """Speak of servers with wishes only."""
        return request.hardware != PLAIN

    def passes(self, request: PlacementRequest, host: Host) -> Refusal | None:
        """Name the first thing that is missing."""
        offered = host_hardware.of_text(host.facts.hardware)
        if offered is None and not _was_known_before(request.hardware):
            remedy = f"start nova-lite-compute of this release on {host.name}"
            return refuse(self.name, host, *SILENT, remedy=remedy, effort=Effort.MEND)
        for what in _missing(request.hardware, offered or EARLIER, host.facts.traits):
            words = (f"offers no {what}", f"offer no {what}")
            remedy = f"add a host with {what}, or use another flavor or image"
            return refuse(self.name, host, *words, remedy=remedy, effort=Effort.CHANGE)
        return None


def _was_known_before(wanted: GuestHardware) -> bool:
    """Whether a host of a release that says nothing builds it all the same."""
    rest = dataclasses.replace(wanted, machine=None, disk_bus=None, nic_model=None, rng_model=None, os_type=None, quiesce=False)
    return rest == PLAIN


def _missing(wanted: GuestHardware, offered: HostHardware, traits: tuple[str, ...]) -> Iterator[str]:
    """Say what the host does not offer, by the words that follow "offers no"."""
    for word, known, what in (
        (wanted.machine, offered.machines, "machine type"),
        (wanted.disk_bus, offered.disk_buses, "disk bus"),
        (wanted.cdrom_bus, offered.cdrom_buses, "CD-ROM bus"),
        (wanted.scsi_model, offered.scsi_models, "SCSI controller"),
        (wanted.nic_model, offered.nic_models, "network card"),
        (wanted.video_model, offered.video_models, "video model"),
        (wanted.input_bus, offered.input_buses, "input bus"),
        (wanted.rng_model, offered.rng_models, "random number generator"),
    ):
        if word is not None and word not in known:
            yield f"{what} {word}"
    kind = "q35" if wanted.is_q35 else "pc"
    if wanted.firmware == UEFI and kind not in offered.uefi_machines:
        yield f"UEFI firmware for {kind} machines"
    if wanted.watchdog is not None and not offered.watchdog:
        yield "watchdog"
    if wanted.cpu_tune != CpuTune() and not offered.cpu_limits:
        yield "bounds of processor time"
    if (wanted.nic_in or wanted.nic_out) and not offered.nic_limits:
        yield "bounds of network cards"
    if wanted.page_kib not in (None, SMALL_PAGE_KIB, PAGE_2M_KIB, PAGE_1G_KIB):
        yield f"pages of {wanted.page_kib} KiB"
    if wanted.thread_policy == "require" and HYPERTHREADING not in traits:
        yield "hardware threads"
    if wanted.thread_policy == "isolate" and HYPERTHREADING in traits:
        yield "cores without hardware threads"
