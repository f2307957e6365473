"""Spread by memory: the host with the greatest free share comes first."""

from __future__ import annotations

from nova_lite.model.host import Host
from nova_lite.model.placement import PlacementRequest


class RamWeigher:
    """Prefers hosts with more free memory."""

    name = "ram"
    multiplier = 1.0

    def weigh(self, request: PlacementRequest, host: Host) -> float:
        """Count free MiB."""
        return float(host.limit.ram_mib - host.used.ram_mib)
