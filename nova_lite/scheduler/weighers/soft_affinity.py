"""Server groups with a soft policy: members together, or apart, as far as there is room."""

from __future__ import annotations

from nova_lite.model.host import Host
from nova_lite.model.placement import PlacementRequest
from nova_lite.model.server_group import SOFT_AFFINITY, SOFT_ANTI_AFFINITY

_SIGNS = {SOFT_AFFINITY: 1.0, SOFT_ANTI_AFFINITY: -1.0}


class SoftAffinityWeigher:
    """Prefers hosts with more members of the group, or with fewer; before all that free room says."""

    name = "soft_affinity"
    multiplier = 10.0

    def weigh(self, request: PlacementRequest, host: Host) -> float:
        """Count the members there, upwards or downwards."""
        rule = request.neighbours.group
        return 0.0 if rule is None else _SIGNS.get(rule.policy, 0.0) * rule.members.get(host.name, 0)
