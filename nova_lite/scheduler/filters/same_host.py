"""The hint `same_host`: only hosts on which one of the named servers lives."""

from __future__ import annotations

from nova_lite.model.host import Host
from nova_lite.model.placement import PlacementRequest, Refusal
from nova_lite.scheduler.filters.port import refuse


class SameHostFilter:
    """Refuses a host without any of the servers that the new one is to live with."""

    name = "same_host"

    def concerns(self, request: PlacementRequest) -> bool:
        """Speak of requests with the hint only."""
        return bool(request.hints.same_host)

    def passes(self, request: PlacementRequest, host: Host) -> Refusal | None:
        """Look whether one of them lives here."""
        if not request.hints.same_host or host.name in request.neighbours.same:
            return None
        without = "has none of the servers named in same_host"
        return refuse(self.name, host, without, without.replace("has", "have", 1))
