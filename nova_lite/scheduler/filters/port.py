"""What a filter is: one reason to refuse a host. Pure: it reads the request and the host, nothing else."""

from __future__ import annotations

from typing import Any, Protocol

from nova_lite.model.host import Host
from nova_lite.model.placement import Effort, PlacementRequest, Refusal


class Filter(Protocol):
    """One rule. `name` is what the configuration and the operator's command call it."""

    name: str

    def passes(self, request: PlacementRequest, host: Host) -> Refusal | None:
        """Give None when the host may take the server, else why not."""


class OnDemand(Filter, Protocol):
    """A rule on what few requests ask for: the others do not pay for it."""

    def concerns(self, request: PlacementRequest) -> bool:
        """Whether it could refuse a host for this request; else it is not asked about any."""


def lacks(filter_name: str, host: Host, what: str, *, asked: int, free: int, unit: str, limit: int | None = None) -> Refusal:
    """Make the refusal of a host on which an amount is missing; `limit` is all that it can ever offer, where that is known."""
    free = max(0, free)
    unit_of = f"{unit} of {what}" if unit else what
    remedy, effort = f"free {asked - free} {unit_of} on {host.name}", Effort.ROOM
    if limit is not None and asked > limit:
        remedy, effort = f"add a host that offers {asked} {unit_of}, or ask for less", Effort.CHANGE
    return Refusal(
        host=host.name,
        filter=filter_name,
        reason=f"lacks {what}",
        plural=f"lack {what}",
        lacks=what,
        asked=asked,
        free=free,
        unit=unit,
        remedy=remedy,
        effort=effort,
        limit=limit,
    )


def refuse(filter_name: str, host: Host, reason: str, plural: str, **more: Any) -> Refusal:
    """Make any other refusal; the words follow "1 host" and "3 hosts". `more` are further fields of it."""
    return Refusal(host=host.name, filter=filter_name, reason=reason, plural=plural, **more)
