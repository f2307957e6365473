"""Trust: among hosts that are alike, one on which builds failed lately comes last.

No more than that: a host that fails is to be found out, set aside and told of (filters/set_aside.py), not to be passed over
in silence until the others are full.
"""

from __future__ import annotations

from nova_lite.model.host import Host
from nova_lite.model.placement import PlacementRequest


class FailuresWeigher:
    """Prefers hosts with fewer failed builds in a row; a good build there makes it forget them."""

    name = "failures"
    multiplier = 0.5

    def weigh(self, request: PlacementRequest, host: Host) -> float:
        """Count failed builds, downwards. One on trial is to have its build, so it counts as any other."""
        return 0.0 if host.on_trial else -float(host.failed_in_row)
