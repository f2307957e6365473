"""What a filter is: one reason to refuse a host. Pure: it reads the request and the host, nothing else."""

from __future__ import annotations

from typing import Protocol

from nova_lite.model.host import Host
from nova_lite.model.placement import PlacementRequest, Refusal


class Filter(Protocol):
    """One rule. `name` is what the configuration and the operator's command call it."""

    name: str

    def passes(self, request: PlacementRequest, host: Host) -> Refusal | None:
        """Give None when the host may take the server, else why not."""


class OnDemand(Filter, Protocol):
    """A rule on what few requests ask for: the others do not pay for it."""

    def concerns(self, request: PlacementRequest) -> bool:
        """Whether it could refuse a host for this request; else it is not asked about any."""


def lacks(filter_name: str, host: Host, what: str, *, asked: int, free: int, unit: str) -> Refusal:
    """Make the refusal of a host on which an amount is missing."""
    return Refusal(
        host=host.name,
        filter=filter_name,
        reason=f"lacks {what}",
        plural=f"lack {what}",
        lacks=what,
        asked=asked,
        free=max(0, free),
        unit=unit,
    )


def refuse(filter_name: str, host: Host, reason: str, plural: str, *, passing: bool = False, detail: str = "") -> Refusal:
    """Make any other refusal; the words follow "1 host" and "3 hosts"."""
    return Refusal(host=host.name, filter=filter_name, reason=reason, plural=plural, passing=passing, detail=detail)
