"""Hosts that are set apart for some projects: aggregates with the key `filter_tenant_id`."""

from __future__ import annotations

from nova_lite.model.host import Host
from nova_lite.model.placement import PlacementRequest, Refusal
from nova_lite.scheduler.filters.port import refuse

KEY = "filter_tenant_id"  # and the key with anything behind it, for more projects than fit into one value


class AggregateTenantsFilter:
    """Refuses a host that other projects have for themselves."""

    name = "aggregate_tenants"

    def passes(self, request: PlacementRequest, host: Host) -> Refusal | None:
        """Let every project pass where no aggregate of the host names one."""
        lists = [values for key, values in host.aggregate_values.items() if key.startswith(KEY)]
        if not lists or any(request.project_id in values for values in lists):
            return None
        return refuse(self.name, host, "is kept for other projects", "are kept for other projects")
