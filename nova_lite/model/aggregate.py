"""A host aggregate: hosts that the operator put together, with metadata that guides the choice of a host."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

ZONE_KEY = "availability_zone"  # the key of metadata that names the zone of an aggregate's hosts


@dataclasses.dataclass(frozen=True, kw_only=True)
class Aggregate:
    """An aggregate with its hosts, by name."""

    id: int
    uuid: str
    name: str
    metadata: Mapping[str, str]
    hosts: tuple[str, ...] = ()
    created_at: float
    updated_at: float | None = None

    @property
    def zone(self) -> str | None:
        """Give the availability zone that its hosts are in, if it names one."""
        return self.metadata.get(ZONE_KEY)
