"""Hosts that failed too many builds in a row: they get no new servers for a while, then one to show whether they work."""

from __future__ import annotations

from nova_lite.model.host import Host
from nova_lite.model.placement import Effort, PlacementRequest, Refusal
from nova_lite.scheduler.filters.port import refuse


class SetAsideFilter:
    """Refuses a host that is set aside; the last rule, so that such a host fits otherwise."""

    name = "set_aside"

    def passes(self, request: PlacementRequest, host: Host) -> Refusal | None:
        """Look at what the last builds came to. Who names the host is given it: an operator tries it out."""
        if host.why_aside is None or request.host == host.name:
            return None
        plural = "are set aside after failed builds"
        remedy = f"mend what failed on {host.name}, then: nova-lite host enable {host.name}"
        reason, effort = "is set aside after failed builds", Effort.MEND
        return refuse(self.name, host, reason, plural, detail=host.why_aside, remedy=remedy, effort=effort)
