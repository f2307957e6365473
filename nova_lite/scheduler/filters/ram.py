"""Memory: what is free under the host's limit must hold what is asked."""

from __future__ import annotations

from nova_lite.model.host import Host
from nova_lite.model.placement import PlacementRequest, Refusal
from nova_lite.scheduler.filters.port import lacks


class RamFilter:
    """Refuses a host with too little free memory."""

    name = "ram"

    def passes(self, request: PlacementRequest, host: Host) -> Refusal | None:
        """Compare with the host's limit, allocation ratio included."""
        free = host.limit.ram_mib - host.used.ram_mib
        if request.asked.ram_mib <= max(0, free):
            return None
        return lacks(self.name, host, "memory", asked=request.asked.ram_mib, free=free, unit="MiB", limit=host.limit.ram_mib)
