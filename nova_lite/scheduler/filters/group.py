"""Server groups with a hard policy: members share one host, or are kept apart."""

from __future__ import annotations

from nova_lite.model.host import Host
from nova_lite.model.placement import PlacementRequest, Refusal
from nova_lite.model.server_group import ANTI_AFFINITY
from nova_lite.scheduler.filters.port import refuse


class GroupFilter:
    """Refuses a host that the policy of the server's group forbids. The claim looks again, where nobody can be faster."""

    name = "group"

    def concerns(self, request: PlacementRequest) -> bool:
        """Speak of servers in groups only."""
        return request.neighbours.group is not None

    def passes(self, request: PlacementRequest, host: Host) -> Refusal | None:
        """Ask the group's rule."""
        rule = request.neighbours.group
        if rule is None or rule.allows(host.name):
            return None
        if rule.policy == ANTI_AFFINITY:
            has = "has enough servers of the group (anti-affinity)"
            return refuse(self.name, host, has, has.replace("has", "have", 1))
        return refuse(self.name, host, "is not the group's host (affinity)", "are not the group's host (affinity)")
