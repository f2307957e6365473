"""How many servers may live on a host, where an aggregate says it (`max_instances_per_host`)."""

from __future__ import annotations

from nova_lite.model.host import Host
from nova_lite.model.placement import PlacementRequest, Refusal
from nova_lite.scheduler.aggregate_limits import least
from nova_lite.scheduler.filters.port import lacks


class NumInstancesFilter:
    """Refuses a host on which as many servers live as an aggregate allows."""

    name = "num_instances"

    def passes(self, request: PlacementRequest, host: Host) -> Refusal | None:
        """Count the servers that live there."""
        most = least(host, "max_instances_per_host")
        if most is None or host.running < most:
            return None
        return lacks(self.name, host, "places for servers", asked=1, free=most - host.running, unit="")
