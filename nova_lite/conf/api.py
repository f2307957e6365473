"""Options of the HTTP front door."""

from __future__ import annotations

import dataclasses

from oslo_config import cfg

GROUP = "api"
SERVICES = ("identity", "compute", "image", "network")
OPTIONS = (
    cfg.HostAddressOpt("listen", default="127.0.0.1", help="Address the public APIs are served on."),
    cfg.PortOpt("port", default=8774, help="Port the public APIs are served on."),
    cfg.URIOpt(
        "public_url",
        schemes=["http", "https"],
        help="Address of the APIs as clients reach them, when a proxy stands in front: https://cloud.example. "
        "By default http://<listen>:<port>.",
    ),
    cfg.IntOpt("workers", default=1, min=1, max=64, help="Processes that serve requests."),
    cfg.IntOpt("threads", default=16, min=2, max=256, help="Threads of each process; half of them may move image bytes."),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ApiOptions:
    """How the APIs are served. `public_url` has no slash at the end; empty: as each client reached us."""

    listen: str = "127.0.0.1"
    port: int = 8774
    public_url: str = ""
    workers: int = 1
    threads: int = 16

    @property
    def own_url(self) -> str:
        """Where other processes reach the APIs; without `public_url` that is the address listened on."""
        host = f"[{self.listen}]" if ":" in self.listen else self.listen
        return self.public_url or f"http://{host}:{self.port}"


def read(conf: cfg.ConfigOpts) -> ApiOptions:
    """Take the values out of a parsed configuration."""
    group = conf[GROUP]
    return ApiOptions(
        listen=str(group.listen),
        port=group.port,
        public_url=(group.public_url or "").rstrip("/"),
        workers=group.workers,
        threads=group.threads,
    )
