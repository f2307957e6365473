"""Trust: a host on which builds failed lately comes behind all that worked."""

from __future__ import annotations

from nova_lite.model.host import Host
from nova_lite.model.placement import PlacementRequest


class FailuresWeigher:
    """Prefers hosts with fewer failed builds in a row; a good build there makes it forget them."""

    name = "failures"
    multiplier = 1000.0

    def weigh(self, request: PlacementRequest, host: Host) -> float:
        """Count failed builds, downwards. One on trial is to have its build, so it counts as any other."""
        return 0.0 if host.on_trial else -float(host.failed_in_row)
