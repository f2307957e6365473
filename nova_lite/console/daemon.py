"""nova-lite-console: shows guests' consoles to browsers and clients. Any number may run side by side."""

from __future__ import annotations

from oslo_config import cfg

from nova_lite.conf import broker as broker_conf
from nova_lite.conf import console as console_conf
from nova_lite.conf import daemon as daemon_conf
from nova_lite.conf.console import ConsoleOptions
from nova_lite.console.server import ConsoleServer
from nova_lite.console.sessions import Sessions
from nova_lite.console.site import Site, folders_of
from nova_lite.rpc.console import ConsoleClient
from nova_lite.rpc.port import Transport
from nova_lite.rpc.transport import RabbitTransport
from nova_lite.runtime.daemon import run


class ConsoleProxy:
    """The daemon: a web server, and the sessions that it opened."""

    def __init__(self, options: ConsoleOptions, transport: Transport, site: Site) -> None:
        """Nothing listens before `start`. Raises: ConfigError for a certificate that cannot be used."""
        self._transport = transport
        self.sessions = Sessions(ConsoleClient(transport))
        self.server = ConsoleServer(options, site, self.sessions)

    def start(self) -> None:
        """Begin to serve. Raises: ConfigError when the port is not to be had."""
        self.server.start()
        self.sessions.start()

    def stop(self) -> None:
        """Take nobody in any more, and cut what is open."""
        self.sessions.stop()
        self.server.stop()
        self._transport.close()

    def alive(self) -> bool:
        """Whether it listens, and looks at what is open."""
        return self.server.alive() and self.sessions.alive()


def build(conf: cfg.ConfigOpts) -> ConsoleProxy:
    """Make the daemon with its real doors. Raises: ConfigError."""
    broker = broker_conf.read(conf)
    transport = RabbitTransport(broker.url, connections=2, ca_file=broker.ca_file)
    site = Site(folders_of(daemon_conf.read(conf).state_dir))
    return ConsoleProxy(console_conf.read(conf), transport, site)


def main() -> int:
    """Run until a signal comes; give the exit code."""
    return run("console", build)
