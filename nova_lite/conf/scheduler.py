"""Options of choosing hosts; the conductors use the ratios too, to set each host's limits."""

from __future__ import annotations

import dataclasses

from oslo_config import cfg

GROUP = "scheduler"
OPTIONS = (
    cfg.FloatOpt("cpu_ratio", default=4.0, min=0.1, max=64.0, help="Virtual CPUs offered for each CPU of a host."),
    cfg.FloatOpt("ram_ratio", default=1.0, min=0.1, max=16.0, help="Memory offered for each unit of memory of a host."),
    cfg.FloatOpt("disk_ratio", default=1.0, min=0.1, max=16.0, help="Disk offered for each unit of disk of a host."),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SchedulerOptions:
    """How much is offered of a host, as multiples of what it has."""

    cpu_ratio: float = 4.0
    ram_ratio: float = 1.0
    disk_ratio: float = 1.0


def read(conf: cfg.ConfigOpts) -> SchedulerOptions:
    """Take the values out of a parsed configuration."""
    group = conf[GROUP]
    return SchedulerOptions(cpu_ratio=group.cpu_ratio, ram_ratio=group.ram_ratio, disk_ratio=group.disk_ratio)
