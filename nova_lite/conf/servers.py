"""Options of servers, whichever host they are on."""

from __future__ import annotations

import dataclasses

from oslo_config import cfg

GROUP = "servers"
OPTIONS = (
    cfg.IntOpt(
        "reclaim_instance_interval",
        default=0,
        min=0,
        max=31536000,
        help="For how many seconds a deleted server is kept, turned off, so that it can be restored; then it is removed for "
        "good. 0: a delete removes at once. The same value is needed where the API runs and where the conductor does.",
    ),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServersOptions:
    """What happens to servers. `reclaim_s`: how long a deleted one is kept; 0: not at all."""

    reclaim_s: int = 0


def read(conf: cfg.ConfigOpts) -> ServersOptions:
    """Take the values out of a parsed configuration."""
    return ServersOptions(reclaim_s=conf[GROUP].reclaim_instance_interval)
