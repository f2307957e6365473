"""Spread by disk: the host with the most free disk comes first."""

from __future__ import annotations

from nova_lite.model.host import Host
from nova_lite.model.placement import PlacementRequest


class DiskWeigher:
    """Prefers hosts with more free disk."""

    name = "disk"
    multiplier = 1.0

    def weigh(self, request: PlacementRequest, host: Host) -> float:
        """Count free GiB."""
        return float(host.limit.disk_gib - host.used.disk_gib)
