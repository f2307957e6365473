"""The hint `different_host`: only hosts on which none of the named servers lives."""

from __future__ import annotations

from nova_lite.model.host import Host
from nova_lite.model.placement import PlacementRequest, Refusal
from nova_lite.scheduler.filters.port import refuse


class DifferentHostFilter:
    """Refuses a host with a server that the new one is not to live with."""

    name = "different_host"

    def concerns(self, request: PlacementRequest) -> bool:
        """Speak of requests with the hint only."""
        return bool(request.neighbours.different)

    def passes(self, request: PlacementRequest, host: Host) -> Refusal | None:
        """Look whether one of them lives here."""
        if host.name not in request.neighbours.different:
            return None
        having = "has a server named in different_host"
        return refuse(self.name, host, having, having.replace("has", "have", 1))
