"""What a host can be asked by name, in capabilities of flavors and in the hint `query`: Nova's names, our amounts."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

from nova_lite.model.host import Host

OF_ONE = frozenset({"host", "uuid", "nodename", "hypervisor_hostname", "host_ip"})  # what no two hosts have in common


def find_shared(host: Host, path: tuple[str, ...]) -> Any:
    """Give what `find` gives, but for what no two hosts have in common: flavors speak of kinds of hosts, never of one."""
    return None if path and path[0] in OF_ONE else find(host, path)


def find(host: Host, path: tuple[str, ...]) -> Any:
    """Give what `("cpu_info", "topology", "cores")` names; None for what nobody knows."""
    value = _of(host).get(path[0]) if path else None
    for step in path[1:]:
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return value


def _of(host: Host) -> dict[str, Any]:
    facts, limit, used = host.facts, host.limit, host.used
    return {
        "host": host.name,
        "uuid": host.uuid,
        "nodename": facts.hypervisor_hostname,
        "hypervisor_hostname": facts.hypervisor_hostname,
        "hypervisor_type": facts.hypervisor_type,
        "hypervisor_version": facts.hypervisor_version,
        "host_ip": facts.host_ip,
        "cpu_info": _cpu(facts.cpu_info),
        "total_usable_ram_mb": facts.total.ram_mib,
        "total_usable_disk_gb": facts.total.disk_gib,
        "free_ram_mb": limit.ram_mib - used.ram_mib,
        "free_disk_mb": (limit.disk_gib - used.disk_gib) * 1024,
        "vcpus_total": facts.total.vcpus,
        "vcpus_used": used.vcpus,
        "num_instances": host.running,
        "num_io_ops": host.building,
    }


@functools.lru_cache(maxsize=4096)
def _cpu(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
