"""What servers use of hosts: amounts of vCPU, memory, disk, dedicated CPUs and huge pages."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Resources:
    """An amount of each resource; never negative.

    A dedicated CPU is a processor of the host for one vCPU alone; it is no vCPU. Memory in huge pages is no memory.
    """

    vcpus: int = 0
    ram_mib: int = 0
    disk_gib: int = 0
    pcpus: int = 0
    pages_2m: int = 0
    pages_1g: int = 0

    def plus(self, more: Resources) -> Resources:
        """Add."""
        return Resources(**{name: amount + getattr(more, name) for name, amount in vars(self).items()})

    def less(self, amount: Resources) -> Resources:
        """Subtract, down to nothing."""
        return Resources(**{name: max(0, own - getattr(amount, name)) for name, own in vars(self).items()})

    def fits(self, used: Resources, limit: Resources) -> bool:
        """Whether it has room beside what is used; a limit that is passed already matters only where something is asked."""
        return all(not own or getattr(used, name) + own <= getattr(limit, name) for name, own in vars(self).items())


AMOUNTS = tuple(field.name for field in dataclasses.fields(Resources))


def of_row(row: Mapping[str, Any], ending: str = "") -> Resources:
    """Read the amounts out of a row of the database, from columns of their names with that ending."""
    return Resources(**{name: int(row[f"{name}{ending}"]) for name in AMOUNTS})


class ClaimRole(enum.StrEnum):
    """Why a server holds an amount on a host (ENGINE.md, Books)."""

    CURRENT = "current"
    INCOMING = "incoming"
    HELD = "held"
