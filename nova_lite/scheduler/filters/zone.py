"""Availability zone and, for administrators, a host by name."""

from __future__ import annotations

from nova_lite.model.host import Host
from nova_lite.model.placement import Effort, PlacementRequest, Refusal
from nova_lite.scheduler.filters.port import refuse


class ZoneFilter:
    """Refuses a host outside the zone, or other than the host, that the request names."""

    name = "zone"

    def passes(self, request: PlacementRequest, host: Host) -> Refusal | None:
        """Let every host pass when the request names neither."""
        if request.host is not None and host.name != request.host:
            remedy = f"add the host {request.host}, or ask for another or none"
            reason, plural = "is not the host asked for", "are not the host asked for"
            return refuse(self.name, host, reason, plural, remedy=remedy, effort=Effort.CHANGE)
        if request.zone is not None and host.facts.zone != request.zone:
            zone = request.zone
            remedy = f"add a host of zone {zone}, or ask for another zone or none"
            reason, plural = f"is not in zone {zone}", f"are not in zone {zone}"
            return refuse(self.name, host, reason, plural, remedy=remedy, effort=Effort.CHANGE)
        return None
