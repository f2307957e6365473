"""The hardware that a host can give to guests, as it says of itself."""

from __future__ import annotations

import dataclasses
import functools
import json

from nova_lite.model import wire


@dataclasses.dataclass(frozen=True, kw_only=True)
class HostNode:
    """One NUMA node: its processors by number, and its memory."""

    id: int
    cpus: tuple[int, ...]
    ram_mib: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class HostHardware:
    """What the hypervisor offers, by the names that images use."""

    machines: tuple[str, ...] = ()
    uefi_machines: tuple[str, ...] = ()  # the kinds (pc, q35) for which it has UEFI firmware
    disk_buses: tuple[str, ...] = ()
    cdrom_buses: tuple[str, ...] = ()
    scsi_models: tuple[str, ...] = ()
    nic_models: tuple[str, ...] = ()
    video_models: tuple[str, ...] = ()
    input_buses: tuple[str, ...] = ()
    rng_models: tuple[str, ...] = ()
    watchdog: bool = False
    cpu_limits: bool = False  # its kernel can give guests shares and quotas of processor time
    nic_limits: bool = False  # and bounds to what their network cards carry
    nodes: tuple[HostNode, ...] = ()


def to_text(hardware: HostHardware) -> str:
    """Give the form in which hosts' facts carry it: one text, since many hosts are alike and it is read often."""
    return json.dumps(wire.to_plain(hardware), sort_keys=True, separators=(",", ":"))


@functools.lru_cache(maxsize=1024)
def of_text(text: str) -> HostHardware | None:
    """Read it; None from a host that does not say, being of an earlier release."""
    try:
        return wire.from_plain(HostHardware, json.loads(text)) if text else None
    except ValueError:
        return None
