"""Hosts that failed for this very request are left out (ENGINE rules, Back), and the one that a server moves away from."""

from __future__ import annotations

from nova_lite.model.host import Host
from nova_lite.model.placement import Effort, PlacementRequest, Refusal
from nova_lite.scheduler.filters.port import refuse


class TriedFilter:
    """Refuses a host on which the server could not be started, or which it leaves."""

    name = "tried"

    def passes(self, request: PlacementRequest, host: Host) -> Refusal | None:
        """Look the host up in the request's list."""
        if host.name == request.leaves:
            remedy = "add another host, or enable one"
            return refuse(
                self.name, host, "is where it moves from", "are where it moves from", remedy=remedy, effort=Effort.CHANGE
            )
        if host.name not in request.avoid:
            return None
        remedy = f"mend what failed on {host.name}, then create the server anew"
        return refuse(self.name, host, "was tried and failed", "were tried and failed", remedy=remedy, effort=Effort.MEND)
