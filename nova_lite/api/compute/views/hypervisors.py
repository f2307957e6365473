"""What hypervisors look like, by microversion."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

from nova_lite.api.microversion import ByVersion
from nova_lite.api.route import Request
from nova_lite.model.host import Host

View = dict[str, Any]
IDENTIFIED_BY_UUID = ByVersion({"2.1": False, "2.53": True})
ALWAYS_SERVERS = ByVersion({"2.1": False, "2.75": True})
SUMMED = (
    *("vcpus", "memory_mb", "local_gb", "vcpus_used", "memory_mb_used", "local_gb_used", "free_ram_mb", "free_disk_gb"),
    *("current_workload", "running_vms", "disk_available_least"),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seen:
    """A host with the number that microversions before 2.53 call it by."""

    host: Host
    number: int


def identifier(request: Request, seen: Seen) -> int | str:
    """Give what the API calls the hypervisor by."""
    return seen.host.uuid if IDENTIFIED_BY_UUID.at(request.version) else seen.number


def short(request: Request, seen: Seen) -> View:
    """Show name and state."""
    host = seen.host
    return {
        "id": identifier(request, seen),
        "hypervisor_hostname": host.facts.hypervisor_hostname,
        "state": "up" if host.up else "down",
        "status": "enabled" if host.enabled and host.why_aside is None else "disabled",
    }


def amounts(host: Host) -> dict[str, int]:
    """Give what a host has and what is used, reserved amounts counted as used."""
    total, reserved, used = host.facts.total, host.facts.reserved, host.used
    ram_used, disk_used = used.ram_mib + reserved.ram_mib, used.disk_gib + reserved.disk_gib
    return {
        "vcpus": total.vcpus,
        "memory_mb": total.ram_mib,
        "local_gb": total.disk_gib,
        "vcpus_used": used.vcpus,
        "memory_mb_used": ram_used,
        "local_gb_used": disk_used,
        "free_ram_mb": total.ram_mib - ram_used,
        "free_disk_gb": total.disk_gib - disk_used,
        "current_workload": host.building,
        "running_vms": host.running,
        "disk_available_least": max(0, total.disk_gib - disk_used),
    }


def _reason(host: Host) -> str | None:
    """Give the operator's reason, else ours."""
    return host.disabled_reason or (f"AUTO: {host.why_aside}"[:255] if host.why_aside else None)


def _common(request: Request, seen: Seen) -> View:
    facts, host = seen.host.facts, seen.host
    return short(request, seen) | {
        "hypervisor_type": facts.hypervisor_type,
        "hypervisor_version": facts.hypervisor_version,
        "host_ip": facts.host_ip,
        "service": {"id": identifier(request, seen), "host": host.name, "disabled_reason": _reason(host)},
    }


def _with_text(request: Request, seen: Seen) -> View:
    return _common(request, seen) | amounts(seen.host) | {"cpu_info": seen.host.facts.cpu_info}


def _with_object(request: Request, seen: Seen) -> View:
    return _common(request, seen) | amounts(seen.host) | {"cpu_info": json.loads(seen.host.facts.cpu_info or "{}")}


def _without_amounts(request: Request, seen: Seen) -> View:
    return _common(request, seen) | {"uptime": None}


FULL: ByVersion[Callable[[Request, Seen], View]] = ByVersion(
    {"2.1": _with_text, "2.28": _with_object, "2.88": _without_amounts}
)


def full(request: Request, seen: Seen) -> View:
    """Show all of a hypervisor."""
    return FULL.at(request.version)(request, seen)
