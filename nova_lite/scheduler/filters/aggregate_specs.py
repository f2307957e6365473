"""Extra specs that aggregates answer: those of their own scope, and those without any.

A key without scope (`ssd=true`) may be what a host says of itself just as well; one of the two must have it.
"""

from __future__ import annotations

from collections.abc import Iterator

from nova_lite.model.host import Host
from nova_lite.model.placement import PlacementRequest, Refusal
from nova_lite.scheduler import attributes, operators
from nova_lite.scheduler.filters.port import refuse

SCOPE = "aggregate_instance_extra_specs:"
NOT_OF_HOSTS = frozenset({"hide_hypervisor_id"})  # without scope by history; it speaks of the guest


class AggregateSpecsFilter:
    """Refuses a host whose aggregates lack what the flavor wants."""

    name = "aggregate_specs"

    def concerns(self, request: PlacementRequest) -> bool:
        """Speak of flavors with such extra specs only."""
        return next(_asked(request), None) is not None

    def passes(self, request: PlacementRequest, host: Host) -> Refusal | None:
        """Compare each with all values that the host's aggregates give the key."""
        for key, scoped, wanted in _asked(request):
            values: list[object] = list(host.aggregate_values.get(key, ()))
            own = None if scoped else attributes.find_shared(host, (key,))
            if own is not None:
                values.append(own)
            if not any(operators.matches(value, wanted) for value in values):
                return refuse(
                    self.name, host, f"is in no aggregate with {key} {wanted}", f"are in no aggregate with {key} {wanted}"
                )
        return None


def _asked(request: PlacementRequest) -> Iterator[tuple[str, bool, str]]:
    for key, wanted in request.extra_specs.items():
        if key.startswith(SCOPE):
            yield key.removeprefix(SCOPE), True, wanted
        elif ":" not in key and key not in NOT_OF_HOSTS:
            yield key, False, wanted
