"""Bounds of what a guest may use of its host's processors, disks and networks: a flavor's `quota:*`.

Ranges are libvirt's (https://libvirt.org/formatdomain.html): what it would refuse is refused before a server is made.
"""

from __future__ import annotations

from nova_lite import errors
from nova_lite.model.hardware.guest import Bandwidth, CpuTune, DiskTune
from nova_lite.model.hardware.words import Wishes

SHARES = (2, 262_144)
PERIOD_US = (1000, 1_000_000)
QUOTA_US = (1000, 18_446_744_073_709_551)
RATE_MAX = 2**50
KIB_MAX = 2**31 - 1  # of what an interface may carry


def cpu_tune(wishes: Wishes) -> CpuTune:
    """Read shares, quota and period; no quota, and a negative one, is no bound. Raises: BadRequest."""
    shares, quota, period = (wishes.flavor(f"quota:cpu_{name}") for name in ("shares", "quota", "period"))
    quota_us = None
    if quota is not None and quota.text.startswith("-"):
        quota_us = quota.number(-QUOTA_US[1], -1)
    elif quota is not None and quota.number(0, QUOTA_US[1]):
        quota_us = quota.number(*QUOTA_US)
    return CpuTune(
        shares=shares.number(*SHARES) if shares else None,
        quota_us=quota_us,
        period_us=period.number(*PERIOD_US) if period else None,
    )


def disk_tune(wishes: Wishes) -> DiskTune:
    """Read the bounds of disks; zero is none. Raises: BadRequest when a total stands beside parts of it."""
    found: dict[str, int] = {}
    for unit in ("bytes_sec", "iops_sec"):
        for way in ("total", "read", "write"):
            wish = wishes.flavor(f"quota:disk_{way}_{unit}")
            if wish is not None and (bound := wish.number(0, RATE_MAX)):
                found[f"{way}_{unit}"] = bound
        if f"total_{unit}" in found and ({f"read_{unit}", f"write_{unit}"} & found.keys()):
            raise errors.BadRequest(
                f"The flavor bounds disk_total_{unit} and also reads or writes: only one of the two is possible."
            )
    return DiskTune(**found)


def bandwidth(wishes: Wishes, way: str) -> Bandwidth | None:
    """Read what interfaces may carry `inbound` or `outbound`. Raises: BadRequest for a peak or burst without an average."""
    found = {}
    for name in ("average", "peak", "burst"):
        wish = wishes.flavor(f"quota:vif_{way}_{name}")
        if wish is not None and (bound := wish.number(0, KIB_MAX)):
            found[name] = bound
    if not found:
        return None
    if "average" not in found:
        raise errors.BadRequest(
            f"The flavor bounds peak or burst of what interfaces carry {way}: quota:vif_{way}_average is needed."
        )
    return Bandwidth(**found)
