"""What a running guest uses, as its host counts it. None is what a hypervisor does not tell."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class CpuUse:
    """One virtual CPU; `time_ns` is how long it ran."""

    id: int
    time_ns: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class DiskUse:
    """One disk by its name in the guest."""

    device: str
    read_bytes: int = 0
    read_requests: int = 0
    write_bytes: int = 0
    write_requests: int = 0
    errors: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flow:
    """What went through an interface one way."""

    octets: int = 0
    packets: int = 0
    errors: int = 0
    dropped: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class NicUse:
    """One interface by its name on the host, seen from the guest."""

    device: str
    mac_address: str
    received: Flow
    sent: Flow


@dataclasses.dataclass(frozen=True, kw_only=True)
class Diagnostics:
    """A running guest. `memory_mib` is what it has, `memory_used_mib` what it uses of that."""

    driver: str  # libvirt, as the Compute API names it
    hypervisor: str
    hypervisor_os: str
    uptime_s: int | None
    memory_mib: int
    memory_used_mib: int | None = None
    cpus: tuple[CpuUse, ...] = ()
    disks: tuple[DiskUse, ...] = ()
    nics: tuple[NicUse, ...] = ()
