"""Huge pages: memory that a host keeps in pages of one size, for servers that ask for them."""

from __future__ import annotations

from nova_lite.model.host import Host
from nova_lite.model.placement import PlacementRequest, Refusal
from nova_lite.scheduler.filters.port import lacks

SIZES = (("pages_2m", "pages of 2 MiB"), ("pages_1g", "pages of 1 GiB"))


class PagesFilter:
    """Refuses a host with too few pages of that size left."""

    name = "pages"

    def concerns(self, request: PlacementRequest) -> bool:
        """Speak of servers that ask for such only."""
        return any(getattr(request.asked, field) for field, _ in SIZES)

    def passes(self, request: PlacementRequest, host: Host) -> Refusal | None:
        """Compare each size; nothing is given twice here."""
        for field, words in SIZES:
            asked, limit = getattr(request.asked, field), getattr(host.limit, field)
            free = limit - getattr(host.used, field)
            if asked > free:
                return lacks(self.name, host, words, asked=asked, free=free, unit="", limit=limit)
        return None
