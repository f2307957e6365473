"""Spread the work of building: a host that builds little at the moment comes first."""

from __future__ import annotations

from nova_lite.model.host import Host
from nova_lite.model.placement import PlacementRequest


class BuildingWeigher:
    """Prefers hosts with fewer servers in BUILD."""

    name = "building"
    multiplier = 2.0

    def weigh(self, request: PlacementRequest, host: Host) -> float:
        """Count servers being built, downwards."""
        return -float(host.building)
