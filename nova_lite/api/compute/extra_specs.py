"""Extra specs that are known: their names and what values each takes (checked from microversion 2.86 on).

A key in a namespace of ours that is not listed is a mistake; keys in other namespaces, or in none, are free.
Source: the Compute documentation, "Extra Specs" of flavors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from nova_lite import errors
from nova_lite.api.compute import flags

Check = Callable[[str], bool]
NAMESPACES = frozenset(
    {"accel", "aggregate_instance_extra_specs", "capabilities", "hw", "hw_rng", "hw_video", "os", "pci_passthrough", "quota",
     "powervm", "resources", "trait", "vmware"}
)  # fmt: skip


def _boolean(text: str) -> bool:
    return text.lower() in flags.YES or text.lower() in flags.NO


def _integer(least: int | None = None, most: int | None = None) -> Check:
    def check(text: str) -> bool:
        if not re.fullmatch(r"-?[0-9]{1,18}", text, re.ASCII):
            return False
        return (least is None or int(text) >= least) and (most is None or int(text) <= most)

    return check


def _one_of(*words: str) -> Check:
    return lambda text: text in words


def _like(pattern: str) -> Check:
    compiled = re.compile(pattern, re.ASCII)
    return lambda text: compiled.fullmatch(text) is not None


def _anything(_text: str) -> bool:
    return True


_NATURAL = _integer(0)
_COUNT = _integer(1)
_CPU_LIST = r"(\^?\d+(-\d+)?)(,\^?\d+(-\d+)?)*"

EXACT: Mapping[str, Check] = {
    "hide_hypervisor_id": _boolean,
    "accel:device_profile": _anything,
    "hw:boot_menu": _boolean,
    "hw:cpu_cores": _COUNT,
    "hw:cpu_max_cores": _COUNT,
    "hw:cpu_max_sockets": _COUNT,
    "hw:cpu_max_threads": _COUNT,
    "hw:cpu_policy": _one_of("dedicated", "shared", "mixed"),
    "hw:cpu_dedicated_mask": _like(_CPU_LIST),
    "hw:cpu_realtime": _boolean,
    "hw:cpu_realtime_mask": _like(_CPU_LIST),
    "hw:cpu_sockets": _COUNT,
    "hw:cpu_thread_policy": _one_of("prefer", "isolate", "require"),
    "hw:cpu_threads": _COUNT,
    "hw:emulator_threads_policy": _one_of("isolate", "share"),
    "hw:ephemeral_encryption": _boolean,
    "hw:ephemeral_encryption_format": _one_of("luks"),
    "hw:hide_hypervisor_id": _boolean,
    "hw:input_bus": _one_of("usb", "virtio"),
    "hw:locked_memory": _boolean,
    "hw:machine_type": _like(r"[A-Za-z0-9._-]{1,64}"),
    "hw:maxphysaddr_bits": _NATURAL,
    "hw:maxphysaddr_mode": _one_of("passthrough", "emulate"),
    "hw:mem_encryption": _boolean,
    "hw:mem_encryption_model": _one_of("amd-sev", "amd-sev-es"),
    "hw:mem_page_size": _like(r"(large|small|any)|\d+([kKMGT]i?)?(b|bit|B)?"),
    "hw:numa_nodes": _COUNT,
    "hw:pci_numa_affinity_policy": _one_of("required", "preferred", "legacy", "socket"),
    "hw:pmem": _anything,
    "hw:pointer_model": _one_of("usbtablet", "ps2mouse"),
    "hw:serial_port_count": _NATURAL,
    "hw:sound_model": _anything,
    "hw:tpm_model": _one_of("tpm-tis", "tpm-crb"),
    "hw:tpm_secret_security": _one_of("user", "host", "deployment"),
    "hw:tpm_version": _one_of("1.2", "2.0"),
    "hw:usb_model": _anything,
    "hw:redirected_usb_ports": _integer(0, 15),
    "hw:vif_multiqueue_enabled": _boolean,
    "hw:virtio_packed_ring": _boolean,
    "hw:viommu_model": _one_of("intel", "smmuv3", "virtio", "auto"),
    "hw:watchdog_action": _one_of("none", "pause", "poweroff", "reset", "disabled"),
    "hw_rng:allowed": _boolean,
    "hw_rng:rate_bytes": _NATURAL,
    "hw_rng:rate_period": _NATURAL,
    "hw_video:ram_max_mb": _NATURAL,
    "os:secure_boot": _one_of("optional", "required", "disabled"),
    "os:monitors": _integer(1, 8),
    "os:resolution": _anything,
    "os:vram": _one_of("64", "128", "256", "512", "1024"),
    "pci_passthrough:alias": _anything,
    "quota:cpu_period": _integer(0),
    "quota:cpu_quota": _integer(),
    "quota:cpu_shares": _integer(0),
    "quota:disk_read_bytes_sec": _NATURAL,
    "quota:disk_read_iops_sec": _NATURAL,
    "quota:disk_total_bytes_sec": _NATURAL,
    "quota:disk_total_iops_sec": _NATURAL,
    "quota:disk_write_bytes_sec": _NATURAL,
    "quota:disk_write_iops_sec": _NATURAL,
    **{
        f"quota:{part}_{field}": _NATURAL if "level" not in field else _one_of("high", "normal", "low", "custom")
        for part in ("cpu", "memory", "disk_io", "vif")
        for field in ("limit", "reservation", "shares_level", "shares_share")
    },
    **{
        f"quota:vif_{way}_{field}": _NATURAL
        for way in ("inbound", "outbound")
        for field in ("average", "burst", "peak")
    },
    "vmware:hw_version": _anything,
    "vmware:storage_policy": _anything,
}  # fmt: skip

PATTERNS: tuple[tuple[re.Pattern[str], Check], ...] = tuple(
    (re.compile(pattern, re.ASCII), check)
    for pattern, check in (
        (r"aggregate_instance_extra_specs:.+", _anything),
        (r"capabilities:.+", _anything),
        (r"hw:cpus\.\d+|hw:numa_cpus\.\d+", _like(_CPU_LIST)),
        (r"hw:mem\.\d+|hw:numa_mem\.\d+", _COUNT),
        (r"resources([a-zA-Z0-9_-]{1,64})?:(VCPU|PCPU|MEMORY_MB|DISK_GB|[A-Z0-9_]{1,255})", _NATURAL),
        (r"trait([a-zA-Z0-9_-]{1,64})?:[A-Z0-9_]{1,255}", _one_of("required", "forbidden")),
        (r"powervm:.+", _anything),
    )
)


def check(specs: Mapping[str, str]) -> None:
    """Check names and values. Raises: BadRequest."""
    for key, value in specs.items():
        checker = _checker(key)
        if checker is not None and not checker(value):
            raise errors.BadRequest(f"Validation failed; the extra spec '{key}' does not take the value '{value[:64]}'.")


def _checker(key: str) -> Check | None:
    """Find what checks a key's value; None for a key that is free. Raises: BadRequest for an unknown one of ours."""
    if key in EXACT:
        return EXACT[key]
    for pattern, checker in PATTERNS:
        if pattern.fullmatch(key):
            return checker
    namespace = key.split(":", 1)[0] if ":" in key else None
    if namespace in NAMESPACES:
        raise errors.BadRequest(f"Validation failed; extra spec '{key}' does not appear to be a valid extra spec.")
    return None
