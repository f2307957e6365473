"""The hardware that a server's flavor and image ask for, as it was understood when the server was accepted."""

from __future__ import annotations

import dataclasses

from nova_lite.model.resources import Resources

PAGE_2M_KIB, PAGE_1G_KIB = 2048, 1024 * 1024
SMALL_PAGE_KIB = 4
BIOS, UEFI = "bios", "uefi"
WINDOWS = "windows"  # an `os_type`
Q35 = "q35"


@dataclasses.dataclass(frozen=True, kw_only=True)
class CpuTopology:
    """How the vCPUs appear to the guest; the three multiply to their number."""

    sockets: int
    cores: int
    threads: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class NumaCell:
    """One NUMA node of the guest: its vCPUs by number, and its memory. Each lives on a node of the host of its own."""

    cpus: tuple[int, ...]
    ram_mib: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class CpuTune:
    """Processor time: a weight, and microseconds in each period for every vCPU (negative: no limit)."""

    shares: int | None = None
    quota_us: int | None = None
    period_us: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class DiskTune:
    """The most that each disk may do in a second, by libvirt's names."""

    total_bytes_sec: int | None = None
    read_bytes_sec: int | None = None
    write_bytes_sec: int | None = None
    total_iops_sec: int | None = None
    read_iops_sec: int | None = None
    write_iops_sec: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bandwidth:
    """What each interface may carry in one direction: KiB a second, at its peak, and KiB in one burst at that peak."""

    average: int
    peak: int | None = None
    burst: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rng:
    """A source of random numbers for the guest: so many bytes in each period of milliseconds, or without a bound."""

    bytes: int | None = None
    period_ms: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class GuestHardware:
    """What was asked for. None, and what is empty: nothing was said, and the host takes what it always takes."""

    machine: str | None = None
    firmware: str | None = None
    boot_menu: bool = False
    hides_hypervisor: bool = False
    os_type: str | None = None
    topology: CpuTopology | None = None
    dedicated: tuple[int, ...] = ()  # the vCPUs that get a processor of the host for themselves each
    thread_policy: str = "prefer"
    cells: tuple[NumaCell, ...] = ()
    page_kib: int | None = None
    disk_bus: str | None = None
    cdrom_bus: str | None = None
    scsi_model: str | None = None
    nic_model: str | None = None
    nic_queues: int = 1
    video_model: str | None = None
    video_ram_mib: int | None = None
    input_bus: str | None = None
    rng_model: str | None = None
    rng: Rng | None = dataclasses.field(default_factory=Rng)  # None: the flavor forbids one
    watchdog: str | None = None  # what happens when the guest hangs; None: no watchdog
    guest_agent: bool = True
    quiesce: bool = False  # snapshots of the running guest are to be made while its agent holds writes back
    cpu_tune: CpuTune = dataclasses.field(default_factory=CpuTune)
    disk_tune: DiskTune = dataclasses.field(default_factory=DiskTune)
    nic_in: Bandwidth | None = None
    nic_out: Bandwidth | None = None

    @property
    def has_huge_pages(self) -> bool:
        """Whether memory comes out of pages that the host keeps apart for guests like this one."""
        return self.page_kib is not None and self.page_kib > SMALL_PAGE_KIB

    @property
    def is_q35(self) -> bool:
        """Whether the machine is of the newer kind, with PCI Express and without IDE."""
        return self.machine is not None and (self.machine == Q35 or self.machine.startswith("pc-q35-"))

    def needs(self, usual: Resources, ram_mib: int) -> Resources:
        """Say what a server of this hardware uses of a host, where one without wishes uses `usual`.

        A dedicated vCPU is a processor of the host instead of a shared vCPU; memory in huge pages is pages instead of memory.
        `ram_mib` is the guest's memory, whatever the flavor books for it.
        """
        needed = usual
        if self.dedicated:
            pcpus = len(self.dedicated)
            needed = dataclasses.replace(needed, vcpus=max(0, usual.vcpus - pcpus), pcpus=pcpus)
        if self.page_kib == PAGE_2M_KIB:
            needed = dataclasses.replace(needed, ram_mib=0, pages_2m=ram_mib * 1024 // PAGE_2M_KIB)
        if self.page_kib == PAGE_1G_KIB:
            needed = dataclasses.replace(needed, ram_mib=0, pages_1g=ram_mib * 1024 // PAGE_1G_KIB)
        return needed


PLAIN = GuestHardware()
