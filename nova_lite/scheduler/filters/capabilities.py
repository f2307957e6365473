"""Extra specs of the scope `capabilities`: what a host says of itself, compared by small operators."""

from __future__ import annotations

from nova_lite.model.host import Host
from nova_lite.model.placement import PlacementRequest, Refusal
from nova_lite.scheduler import attributes, operators
from nova_lite.scheduler.filters.port import refuse

SCOPE = "capabilities:"


class CapabilitiesFilter:
    """Refuses a host that is not what the flavor wants (`capabilities:cpu_info:topology:cores = >= 8`)."""

    name = "capabilities"

    def concerns(self, request: PlacementRequest) -> bool:
        """Speak of flavors with such extra specs only."""
        return any(key.startswith(SCOPE) for key in request.extra_specs)

    def passes(self, request: PlacementRequest, host: Host) -> Refusal | None:
        """Compare each."""
        for key, wanted in request.extra_specs.items():
            if not key.startswith(SCOPE):
                continue
            name = key.removeprefix(SCOPE)
            value = attributes.find_shared(host, tuple(name.split(":")))
            if value is None or not operators.matches(value, wanted):
                return refuse(self.name, host, f"is not {name} {wanted}", f"are not {name} {wanted}")
        return None
