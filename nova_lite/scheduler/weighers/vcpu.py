"""Spread by CPU: the host with the most free vCPUs comes first."""

from __future__ import annotations

from nova_lite.model.host import Host
from nova_lite.model.placement import PlacementRequest


class VcpuWeigher:
    """Prefers hosts with more free vCPUs."""

    name = "vcpu"
    multiplier = 1.0

    def weigh(self, request: PlacementRequest, host: Host) -> float:
        """Count free vCPUs."""
        return float(host.limit.vcpus - host.used.vcpus)
