"""A daemon as operators see it in lists of services."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Service:
    """A conductor, scheduler or compute daemon. `updated_at` is wall-clock seconds of the last sign of life."""

    uuid: str
    number: int
    binary: str  # nova-compute, nova-conductor, nova-scheduler: the Compute API's names
    host: str
    zone: str
    enabled: bool
    disabled_reason: str | None
    forced_down: bool
    up: bool
    updated_at: float | None
    set_aside: str | None = None  # why a compute host gets no new servers for a while, in words
