"""Host state: enabled, alive, and done with the removals it owes."""

from __future__ import annotations

from typing import Any

from nova_lite.model.host import Host
from nova_lite.model.placement import Effort, PlacementRequest, Refusal
from nova_lite.scheduler.filters.port import refuse

SILENT_S = 600.0  # after a silence as long as that nobody waits for the host: it is no broker that was away


class StateFilter:
    """Refuses a host that takes no new servers at the moment."""

    name = "state"

    def passes(self, request: PlacementRequest, host: Host) -> Refusal | None:
        """Look at what the operator said, then at the host's heartbeat, then at its tombstones."""
        if not host.enabled:
            return _disabled(self.name, host)
        if not host.up:
            return refuse(self.name, host, "is down", "are down", passing=_may_be_back(host), **_way_up(host))
        if host.tombstones:
            remedy = f"wait until {host.name} has removed what it owes"
            reason, plural = "is cleaning up after an outage", "are cleaning up after an outage"
            return refuse(self.name, host, reason, plural, passing=True, remedy=remedy, effort=Effort.WAIT)
        if host.facts.short_of:
            remedy, short = f"make room on {host.name}", host.facts.short_of
            return refuse(self.name, host, f"is short of {short}", f"are short of {short}", remedy=remedy, effort=Effort.ROOM)
        return None


def _disabled(name: str, host: Host) -> Refusal:
    detail = host.disabled_reason or ""
    if host.maintenance_since is not None:
        remedy = f"end the maintenance of {host.name}: nova-lite host undrain {host.name}"
        reason, plural = "is in maintenance", "are in maintenance"
        return refuse(name, host, reason, plural, detail=detail, remedy=remedy, effort=Effort.COMMAND)
    remedy = f"enable {host.name}: nova-lite host enable {host.name}"
    return refuse(name, host, "is disabled", "are disabled", detail=detail, remedy=remedy, effort=Effort.COMMAND)


def _may_be_back(host: Host) -> bool:
    return not host.forced_down and host.last_seen_age_s is not None and host.last_seen_age_s < SILENT_S


def _way_up(host: Host) -> dict[str, Any]:
    if host.forced_down:
        return {"remedy": f"take back that {host.name} is forced down", "effort": Effort.COMMAND, "detail": "forced down"}
    return {"remedy": f"start nova-lite-compute on {host.name}", "effort": Effort.MEND}
