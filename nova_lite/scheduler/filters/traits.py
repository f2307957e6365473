"""Traits: what a host can do, by the names that flavors and images ask for (`trait:HW_CPU_X86_AVX2=required`)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nova_lite.model.host import Host
from nova_lite.model.placement import PlacementRequest, Refusal
from nova_lite.scheduler.filters.port import refuse

_KEY = re.compile(r"trait[A-Za-z0-9_-]{0,64}:(.+)", re.ASCII)  # all groups of a flavor are met by one host here


class TraitsFilter:
    """Refuses a host without a required trait, or with a forbidden one."""

    name = "traits"

    def concerns(self, request: PlacementRequest) -> bool:
        """Speak of flavors and images that name traits only."""
        return next(_asked(request), None) is not None

    def passes(self, request: PlacementRequest, host: Host) -> Refusal | None:
        """Compare with what the host says of itself."""
        for trait, wish in _asked(request):
            has = trait in host.facts.traits
            if wish == "required" and not has:
                return refuse(self.name, host, f"lacks trait {trait}", f"lack trait {trait}")
            if wish == "forbidden" and has:
                return refuse(self.name, host, f"has the forbidden trait {trait}", f"have the forbidden trait {trait}")
        return None


def _asked(request: PlacementRequest) -> Iterator[tuple[str, str]]:
    for wishes in (request.extra_specs, request.image_properties):
        for key, wish in wishes.items():
            if key.startswith("trait") and (match := _KEY.fullmatch(key)):
                yield match[1], wish
