"""vCPUs: what is free under the host's limit must hold what is asked."""

from __future__ import annotations

from nova_lite.model.host import Host
from nova_lite.model.placement import PlacementRequest, Refusal
from nova_lite.scheduler.filters.port import lacks


class VcpuFilter:
    """Refuses a host with too little free vCPUs."""

    name = "vcpu"

    def passes(self, request: PlacementRequest, host: Host) -> Refusal | None:
        """Compare with the host's limit, allocation ratio included."""
        free = host.limit.vcpus - host.used.vcpus
        if request.asked.vcpus <= max(0, free):
            return None
        return lacks(self.name, host, "vCPUs", asked=request.asked.vcpus, free=free, unit="", limit=host.limit.vcpus)
