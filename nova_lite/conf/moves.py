"""Options of moving servers between hosts and sizes: what conductors decide, and how hosts carry it out."""

from __future__ import annotations

import dataclasses

from oslo_config import cfg

GROUP = "moves"
OPTIONS = (
    cfg.BoolOpt(
        "allow_resize_to_same_host",
        default=True,
        help="A resize may stay on the server's host. Without it a cloud of one host can resize nothing, and elsewhere disks "
        "travel without need.",
    ),
    cfg.IntOpt(
        "resize_confirm_window",
        default=0,
        min=0,
        max=31536000,
        help="Seconds after which a resize or cold migration that nobody confirmed is confirmed; 0: never.",
    ),
    cfg.PortOpt(
        "door_port",
        default=16520,
        help="TCP port at which a host gives disks to the hosts that take its servers over, by TLS; 0: any that is free. "
        "Simulated hosts always take any.",
    ),
    cfg.IntOpt("rate_mib_s", default=0, min=0, max=1048576, help="MiB a second that a host fetches for one move; 0: no limit."),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MoveOptions:
    """How servers move; the window in seconds."""

    allow_resize_to_same_host: bool = True
    resize_confirm_window: int = 0
    door_port: int = 0
    rate_mib_s: int = 0


def read(conf: cfg.ConfigOpts) -> MoveOptions:
    """Take the values out of a parsed configuration."""
    group = conf[GROUP]
    return MoveOptions(**{field.name: getattr(group, field.name) for field in dataclasses.fields(MoveOptions)})
