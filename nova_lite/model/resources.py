"""What servers use of hosts: amounts of vCPU, memory, disk and custom classes."""

from __future__ import annotations

import dataclasses
import enum


@dataclasses.dataclass(frozen=True, kw_only=True)
class Resources:
    """An amount of each resource; never negative."""

    vcpus: int = 0
    ram_mib: int = 0
    disk_gib: int = 0


class ClaimRole(enum.StrEnum):
    """Why a server holds an amount on a host (ENGINE.md, Books)."""

    CURRENT = "current"
    INCOMING = "incoming"
    HELD = "held"
