"""Dedicated CPUs: processors that a host keeps for one server each."""

from __future__ import annotations

from nova_lite.model.host import Host
from nova_lite.model.placement import PlacementRequest, Refusal
from nova_lite.scheduler.filters.port import lacks


class PcpuFilter:
    """Refuses a host with too few dedicated CPUs left."""

    name = "pcpu"

    def concerns(self, request: PlacementRequest) -> bool:
        """Speak of servers that ask for such only."""
        return request.asked.pcpus > 0

    def passes(self, request: PlacementRequest, host: Host) -> Refusal | None:
        """Compare; nothing is given twice here."""
        asked, limit = request.asked.pcpus, host.limit.pcpus
        free = limit - host.used.pcpus
        return None if asked <= free else lacks(self.name, host, "dedicated CPUs", asked=asked, free=free, unit="", limit=limit)
