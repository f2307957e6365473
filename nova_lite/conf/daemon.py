"""Options of every daemon: where it keeps things, and how it talks to an operator."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from oslo_config import cfg

GROUP = "DEFAULT"
OPTIONS = (
    cfg.StrOpt("state_dir", default="/var/lib/nova-lite", help="Folder for the database, images, keys and guests."),
    cfg.StrOpt("run_dir", default="/run/nova-lite", help="Folder for sockets and pid files; emptied by a reboot."),
    cfg.StrOpt("log_dir", default="/var/log/nova-lite", help="Folder for log files where systemd's journal is not used."),
    cfg.IntOpt(
        "health_port",
        min=0,
        max=65535,
        help="Port on 127.0.0.1 of a daemon's /healthz and /metrics; 0: none. By default 8781 for the conductor, 8782 for "
        "the scheduler, 8783 for compute, 8784 for console. Daemons that share a file set it by OS_DEFAULT__HEALTH_PORT.",
    ),
    cfg.BoolOpt("debug", default=False, help="Log in detail. Secrets are left out in any case."),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DaemonOptions:
    """Where a daemon keeps things."""

    state_dir: Path
    run_dir: Path
    log_dir: Path
    debug: bool
    health_port: int | None = None  # None: the daemon's own


def read(conf: cfg.ConfigOpts) -> DaemonOptions:
    """Take the values out of a parsed configuration."""
    return DaemonOptions(
        state_dir=Path(conf.state_dir),
        run_dir=Path(conf.run_dir),
        log_dir=Path(conf.log_dir),
        debug=conf.debug,
        health_port=conf.health_port,
    )
