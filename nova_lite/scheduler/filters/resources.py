"""Resources that a flavor asks for by class (`resources:CUSTOM_GPU=1`): vCPUs, memory and disk are what hosts have.

Those three change what a server claims (model/flavor.py) and are looked at like any other amount.
"""

from __future__ import annotations

from nova_lite.model.flavor import COUNTED_CLASSES, asked_classes
from nova_lite.model.host import Host
from nova_lite.model.placement import PlacementRequest, Refusal
from nova_lite.scheduler.filters.port import refuse


class ResourcesFilter:
    """Refuses every host when a flavor asks for a class that none offers."""

    name = "resources"

    def concerns(self, request: PlacementRequest) -> bool:
        """Speak of flavors that name other classes only."""
        return bool(_others(request))

    def passes(self, request: PlacementRequest, host: Host) -> Refusal | None:
        """Name the first class that is missing."""
        others = _others(request)
        if not others:
            return None
        return refuse(self.name, host, f"offers no {others[0]}", f"offer no {others[0]}")


def _others(request: PlacementRequest) -> list[str]:
    asked = asked_classes(request.extra_specs)
    return sorted(name for name, amount in asked.items() if amount > 0 and name not in COUNTED_CLASSES)
