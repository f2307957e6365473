"""nova-lite-scheduler: ranks hosts for requests from memory. Any number may run side by side."""

from __future__ import annotations

import logging
import socket
import threading

from oslo_config import cfg

from nova_lite import errors
from nova_lite.clock import SystemClock
from nova_lite.conf import broker as broker_conf
from nova_lite.conf import database as database_conf
from nova_lite.db import version
from nova_lite.db.engine import Database
from nova_lite.inventory import hosts, services
from nova_lite.model.host import Host
from nova_lite.rpc import scheduler as conversation
from nova_lite.rpc.port import Address, Listener, Transport
from nova_lite.rpc.transport import RabbitTransport
from nova_lite.runtime.daemon import run
from nova_lite.scheduler.service import SchedulerService
from nova_lite.scheduler.view import HostView

LOG = logging.getLogger(__name__)
BINARY = "nova-scheduler"  # the Compute API's name of this daemon
THREADS = 4
BEAT_S = 15.0


class Scheduler:
    """The daemon: a listener, and a thread that tells that it lives."""

    def __init__(self, database: Database, transport: Transport, *, name: str) -> None:
        """`name` is the machine's; several schedulers of one machine share it."""
        self._database = database
        self._transport = transport
        self._name = name
        self._stopping = threading.Event()
        self._beats = threading.Thread(target=self._beat, name="beats", daemon=True)
        self._listener: Listener | None = None

    def start(self) -> None:
        """Begin to answer. Raises: ConfigError for a database that this release cannot serve."""
        version.require(self._database)
        service = SchedulerService(HostView(self._read_hosts, SystemClock()))
        address = Address(conversation.ADDRESS.topic, self._name)
        self._listener = self._transport.serve(
            address, {"rank": service.rank, "list_hosts": service.list_hosts}, threads=THREADS
        )
        self._beats.start()

    def stop(self) -> None:
        """Answer what is in hand and end."""
        self._stopping.set()
        if self._listener is not None:
            self._listener.stop()
        self._transport.close()
        self._database.dispose()

    def alive(self) -> bool:
        """Whether the beats go on; a broker that is away is not this daemon's death."""
        return self._beats.is_alive()

    def _read_hosts(self) -> tuple[Host, ...]:
        with self._database.read() as tx:
            return hosts.list_for_choice(tx)

    def _beat(self) -> None:
        while True:
            try:
                self._database.transact(lambda tx: services.beat(tx, BINARY, self._name))
            except errors.Unavailable:
                LOG.warning("The database does not answer.")
            if self._stopping.wait(BEAT_S):
                return


def build(conf: cfg.ConfigOpts) -> Scheduler:
    """Make the daemon with its real doors."""
    broker = broker_conf.read(conf)
    transport = RabbitTransport(broker.url, ca_file=broker.ca_file)
    return Scheduler(Database(database_conf.read(conf).url), transport, name=socket.gethostname())


def main() -> int:
    """Run until a signal comes; give the exit code."""
    return run("scheduler", build)
