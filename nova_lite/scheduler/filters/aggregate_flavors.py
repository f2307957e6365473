"""Hosts that are set apart for some flavors: aggregates with the key `instance_type`."""

from __future__ import annotations

from nova_lite.model.host import Host
from nova_lite.model.placement import PlacementRequest, Refusal
from nova_lite.scheduler.filters.port import refuse

KEY = "instance_type"


class AggregateFlavorsFilter:
    """Refuses a host that is for other flavors."""

    name = "aggregate_flavors"

    def passes(self, request: PlacementRequest, host: Host) -> Refusal | None:
        """Compare the flavor's name; where no aggregate of the host names one, all pass."""
        names = host.aggregate_values.get(KEY)
        if not names or request.flavor_name in names:
            return None
        return refuse(self.name, host, "is for other flavors", "are for other flavors")
