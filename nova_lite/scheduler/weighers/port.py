"""What a weigher is: one way to prefer a host among those that fit. Pure."""

from __future__ import annotations

from typing import Protocol

from nova_lite.model.host import Host
from nova_lite.model.placement import PlacementRequest


class Weigher(Protocol):
    """One preference; the values of all hosts are scaled to 0..1 before they are added up."""

    name: str
    multiplier: float

    def weigh(self, request: PlacementRequest, host: Host) -> float:
        """Give a number that is greater for a better host."""
