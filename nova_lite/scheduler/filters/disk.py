"""Disk: what is free under the host's limit must hold what is asked."""

from __future__ import annotations

from nova_lite.model.host import Host
from nova_lite.model.placement import PlacementRequest, Refusal
from nova_lite.scheduler.filters.port import lacks


class DiskFilter:
    """Refuses a host with too little free disk."""

    name = "disk"

    def passes(self, request: PlacementRequest, host: Host) -> Refusal | None:
        """Compare with the host's limit, allocation ratio included."""
        free = host.limit.disk_gib - host.used.disk_gib
        if request.asked.disk_gib <= max(0, free):
            return None
        return lacks(self.name, host, "disk", asked=request.asked.disk_gib, free=free, unit="GiB", limit=host.limit.disk_gib)
