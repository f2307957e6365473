"""Options of shelved servers."""

from __future__ import annotations

import dataclasses

from oslo_config import cfg

GROUP = "shelving"
OPTIONS = (
    cfg.IntOpt(
        "shelved_offload_time",
        default=0,
        min=-1,
        max=31536000,
        help="For how many seconds a shelved server stays on its host, off, so that it is back at once. 0: it leaves the host "
        "when it is shelved, -1: never by itself.",
    ),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShelvingOptions:
    """`offload_s`: how long shelved servers stay on their hosts; -1: until somebody says so."""

    offload_s: int = 0


def read(conf: cfg.ConfigOpts) -> ShelvingOptions:
    """Take the values out of a parsed configuration."""
    return ShelvingOptions(offload_s=conf[GROUP].shelved_offload_time)
