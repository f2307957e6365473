"""Options of the message broker."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from oslo_config import cfg

GROUP = "broker"
OPTIONS = (
    cfg.StrOpt(
        "url",
        secret=True,
        help="Where RabbitMQ is: amqp://user:password@host:5672/vhost, amqps:// for TLS, several hosts by commas. "
        "By default what `nova-lite up` or `nova-lite broker setup` wrote to keys/broker.url in state_dir.",
    ),
    cfg.StrOpt("ca_file", help="Certificates of the authorities that amqps:// trusts. By default the system's."),
    cfg.BoolOpt(
        "notifications",
        default=False,
        help="Tell other services on RabbitMQ what happens: to servers in Nova's form (exchange nova, topic "
        "versioned_notifications), in Image and in Identity as Glance and Keystone do (exchanges glance and keystone, topic "
        "notifications). Somebody has to "
        "take them from their queues, else those grow. Set it alike for the api and the conductors.",
    ),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BrokerOptions:
    """Where RabbitMQ is. `url` (a secret) is empty where no broker was set up yet; `url_file` is where set-up keeps it."""

    url: str
    url_file: Path
    ca_file: str | None = None
    notifications: bool = False

    def __repr__(self) -> str:
        """Show no password."""
        return f"BrokerOptions(url_file={str(self.url_file)!r}, ca_file={self.ca_file!r})"


def read(conf: cfg.ConfigOpts) -> BrokerOptions:
    """Take the values out of a parsed configuration; the URL out of its file when the option is empty."""
    group = conf[GROUP]
    url_file = Path(conf.state_dir) / "keys" / "broker.url"
    url = group.url or ""
    if not url and url_file.is_file():
        url = url_file.read_text(encoding="utf-8").strip()
    return BrokerOptions(url=url, url_file=url_file, ca_file=group.ca_file or None, notifications=group.notifications)
