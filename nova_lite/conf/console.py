"""Options of consoles by network."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from oslo_config import cfg

GROUP = "console"
OPTIONS = (
    cfg.HostAddressOpt("listen", default="127.0.0.1", help="Address the consoles of servers are served on."),
    cfg.PortOpt("port", default=6080, help="Port the consoles of servers are served on, of both kinds."),
    cfg.URIOpt(
        "public_url",
        schemes=["http", "https"],
        help="Address of the consoles as browsers reach them: https://consoles.example. By default http://<listen>:<port>, "
        "or https with a certificate.",
    ),
    cfg.StrOpt(
        "certificate",
        help="File with the certificate, those of its authorities and its private key (PEM), to serve consoles by TLS.",
    ),
    cfg.ListOpt(
        "allowed_origins",
        default=[],
        help="Further names of sites whose pages may open consoles: the dashboard's, when it shows serial consoles itself.",
    ),
    cfg.IntOpt(
        "token_lifetime",
        default=600,
        min=10,
        max=86400,
        help="Seconds within which a console that was asked for has to be opened; each can be opened once.",
    ),
    cfg.PortOpt(
        "host_port",
        default=0,
        help="Port on which compute hosts let the console daemon in, by TLS, to guests' consoles. 0: any that is free; set "
        "one where a firewall stands between control nodes and hosts.",
    ),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConsoleOptions:
    """How consoles are served. `public_url` has no slash at the end; `token_lifetime_s` is in seconds."""

    listen: str = "127.0.0.1"
    port: int = 6080
    public_url: str = ""
    certificate: Path | None = None
    allowed_origins: tuple[str, ...] = ()
    token_lifetime_s: int = 600
    host_port: int = 0

    @property
    def url(self) -> str:
        """Where browsers reach the consoles."""
        host = f"[{self.listen}]" if ":" in self.listen else self.listen
        scheme = "https" if self.certificate else "http"
        return self.public_url or f"{scheme}://{host}:{self.port}"


def read(conf: cfg.ConfigOpts) -> ConsoleOptions:
    """Take the values out of a parsed configuration."""
    group = conf[GROUP]
    return ConsoleOptions(
        listen=str(group.listen),
        port=group.port,
        public_url=(group.public_url or "").rstrip("/"),
        certificate=Path(group.certificate) if group.certificate else None,
        allowed_origins=tuple(group.allowed_origins),
        token_lifetime_s=group.token_lifetime,
        host_port=group.host_port,
    )
