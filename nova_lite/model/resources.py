"""What servers use of hosts: amounts of vCPU, memory, disk, dedicated CPUs and huge pages."""

from __future__ import annotations

import dataclasses
import enum


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

    def in_words(self) -> str:
        """Say the amounts; dedicated CPUs and huge pages only where there are some."""
        more = {"dedicated CPUs": self.pcpus, "pages of 2 MiB": self.pages_2m, "pages of 1 GiB": self.pages_1g}
        words = [f"{self.vcpus} vCPU, {self.ram_mib} MiB, {self.disk_gib} GiB"]
        return ", ".join([*words, *(f"{number} {name}" for name, number in more.items() if number)])

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


class ClaimRole(enum.StrEnum):
    """Why a server holds an amount on a host (ENGINE.md, Books)."""

    CURRENT = "current"
    INCOMING = "incoming"
    HELD = "held"
