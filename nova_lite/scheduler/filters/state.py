"""Host state: enabled, alive, and done with the removals it owes."""

from __future__ import annotations

from nova_lite.model.host import Host
from nova_lite.model.placement import PlacementRequest, Refusal
from nova_lite.scheduler.filters.port import refuse

SILENT_S = 600.0  # after a silence as long as that nobody waits for the host: it is no broker that was away


class StateFilter:
    """Refuses a host that takes no new servers at the moment."""

    name = "state"

    def passes(self, request: PlacementRequest, host: Host) -> Refusal | None:
        """Look at what the operator said, then at the host's heartbeat, then at its tombstones."""
        if not host.enabled:
            return refuse(self.name, host, "is disabled", "are disabled")
        if not host.up:
            return refuse(self.name, host, "is down", "are down", passing=_may_be_back(host))
        if host.tombstones:
            return refuse(self.name, host, "is cleaning up after an outage", "are cleaning up after an outage", passing=True)
        return None


def _may_be_back(host: Host) -> bool:
    return not host.forced_down and host.last_seen_age_s is not None and host.last_seen_age_s < SILENT_S
