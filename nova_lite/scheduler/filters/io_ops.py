"""How many servers a host may build at once, where an aggregate says it (`max_io_ops_per_host`)."""

from __future__ import annotations

from nova_lite.model.host import Host
from nova_lite.model.placement import PlacementRequest, Refusal
from nova_lite.scheduler.aggregate_limits import least
from nova_lite.scheduler.filters.port import refuse


class IoOpsFilter:
    """Refuses a host that builds as much as its aggregates allow; it may be done with it in a moment."""

    name = "io_ops"

    def passes(self, request: PlacementRequest, host: Host) -> Refusal | None:
        """Count the servers in the making."""
        most = least(host, "max_io_ops_per_host")
        if most is None or host.building < most:
            return None
        return refuse(self.name, host, "builds as much as it may", "build as much as they may", passing=True)
