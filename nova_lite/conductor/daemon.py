"""nova-lite-conductor: runs operations, takes what hosts say, reconciles. Any number may run side by side."""

from __future__ import annotations

import dataclasses
import functools
import socket

from oslo_config import cfg

from nova_lite.clock import SystemClock
from nova_lite.conductor.broker_watch import EVERY_S, BrokerWatch
from nova_lite.conductor.consoles import ConsoleService
from nova_lite.conductor.differences import library
from nova_lite.conductor.host_book import HostBook
from nova_lite.conductor.housekeeping import Chore, Housekeeping
from nova_lite.conductor.outbox import Notifier, Outbox
from nova_lite.conductor.reconcilers import history
from nova_lite.conductor.reconcilers.confirmations import Confirmations
from nova_lite.conductor.reconcilers.differences import Differences
from nova_lite.conductor.reconcilers.lost_hosts import LostHosts
from nova_lite.conductor.reconcilers.power_states import PowerStates
from nova_lite.conductor.reconcilers.reclaim import Reclaim
from nova_lite.conductor.reconcilers.shelved import Offloading
from nova_lite.conductor.service import ConductorParts, ConductorService
from nova_lite.conf import api as api_conf
from nova_lite.conf import broker as broker_conf
from nova_lite.conf import daemon as daemon_conf
from nova_lite.conf import database as database_conf
from nova_lite.conf import image as image_conf
from nova_lite.conf import moves as moves_conf
from nova_lite.conf import scheduler as scheduler_conf
from nova_lite.conf import servers as servers_conf
from nova_lite.conf import shelving as shelving_conf
from nova_lite.conf.moves import MoveOptions
from nova_lite.conf.scheduler import SchedulerOptions
from nova_lite.db import version
from nova_lite.db.engine import Database
from nova_lite.durable import facts
from nova_lite.durable.runner import Runner
from nova_lite.image.port import ImagePort, ImportPort
from nova_lite.image.service import make_images
from nova_lite.image.stores.base import Store
from nova_lite.inventory import hosts, services
from nova_lite.network.port import NetworkPort
from nova_lite.network.service import Networks
from nova_lite.rpc import conductor as conversation
from nova_lite.rpc import console as console_conversation
from nova_lite.rpc.compute import ComputeClient
from nova_lite.rpc.notifier import RabbitNotifier
from nova_lite.rpc.port import Address, Listener, Transport
from nova_lite.rpc.scheduler import SchedulerClient
from nova_lite.rpc.signing import ControlSigning, read_control_key
from nova_lite.rpc.transport import RabbitTransport
from nova_lite.runtime.daemon import run
from nova_lite.workflows.desk import Desk
from nova_lite.workflows.ports import Ports
from nova_lite.workflows.registry import REGISTRY

BINARY = "nova-conductor"  # the Compute API's name of this daemon
THREADS = 8
CONSOLE_THREADS = 2  # each may wait five seconds for a host
LEASES_S = 5.0  # of the nine seconds that a process has from its signal on
LISTENER_S = 2.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Doors:
    """Everything a conductor reaches. `name` is the machine's, `store` that of images; `alone`: no other takes uploads."""

    database: Database
    transport: Transport
    network: NetworkPort
    images: ImagePort
    imports: ImportPort
    ratios: SchedulerOptions
    name: str
    store: Store | None = None
    alone: bool = True
    shelved_offload_s: int = 0  # how long shelved servers stay on their hosts
    reclaim_s: int = 0  # how long deleted servers are kept
    moves: MoveOptions = dataclasses.field(default_factory=MoveOptions)
    notifier: Notifier | None = None  # where other services are told of servers


class Conductor:
    """The daemon: a listener, a runner, and the reconcilers' clockwork."""

    def __init__(self, doors: Doors) -> None:
        """Nothing connects before `start`."""
        self._doors = doors
        database = doors.database
        watch = BrokerWatch(doors.transport, SystemClock())
        book = HostBook(database, watch.heard_for_s)
        compute = ComputeClient(doors.transport)
        ports = Ports(
            database=database,
            scheduler=SchedulerClient(doors.transport),
            compute=compute,
            network=doors.network,
            images=doors.images,
            imports=doors.imports,
            hosts=book,
            shelved_offload_s=doors.shelved_offload_s,
            moves=doors.moves,
        )
        self._runner = Runner(database, REGISTRY, ports, silence_of=book.silence_of)
        self._service = ConductorService(
            ConductorParts(
                database=database,
                compute=compute,
                ring=self._runner.ring,
                ratios=doors.ratios,
                power_states=PowerStates(database),
            )
        )
        lost = LostHosts(database, book.remember, book.counted)
        self._offloading = Offloading(database, doors.shelved_offload_s, self._runner.ring)
        confirmations = Confirmations(Desk(database=database, ring=self._runner.ring), doors.moves.resize_confirm_window)
        differences = Differences(database, library.of_books(), doors.name)
        of_images = Differences(database, library.of_store(doors.store, alone=doors.alone), doors.name)
        self._housekeeping = Housekeeping(
            (
                Chore(name="beat", every_s=15.0, act=self._beat),
                Chore(name="broker", every_s=EVERY_S, act=watch.look),
                Chore(name="lost_hosts", every_s=5.0, act=lost.reconcile),
                Chore(name="shelved", every_s=15.0, act=self._offloading.reconcile),
                Chore(name="reclaim", every_s=30.0, act=Reclaim(database, doors.reclaim_s, self._runner.ring).reconcile),
                Chore(name="confirmations", every_s=15.0, act=confirmations.reconcile),
                Chore(name="differences", every_s=60.0, act=differences.reconcile),
                Chore(name="history", every_s=600.0, act=functools.partial(history.reconcile, database)),
            ),
            SystemClock(),
        )
        # By a thread of its own: a store that hangs keeps nothing else waiting, and is not this daemon's death.
        self._store_keeping = Housekeeping(
            (Chore(name="image differences", every_s=60.0, act=of_images.reconcile),), SystemClock()
        )
        self._outbox = Outbox(database, doors.notifier, facts.process()) if doors.notifier is not None else None
        self._consoles = ConsoleService(database, compute)
        self._listener: Listener | None = None
        self._console_listener: Listener | None = None

    def start(self) -> None:
        """Begin to run and to listen. Raises: ConfigError for a database that this release cannot serve."""
        version.require(self._doors.database)
        self._beat()
        self._runner.start()
        handlers = {
            "ring": self._service.ring,
            "probe": lambda _body: None,
            "register": self._service.register,
            "heartbeat": self._service.heartbeat,
            "report": self._service.report,
            "power_changed": self._service.power_changed,
            "tombstone_done": self._service.tombstone_done,
            "move_progress": self._service.move_progress,
            "guest_password": self._service.guest_password,
        }
        address = Address(conversation.ADDRESS.topic, self._doors.name)
        self._listener = self._doors.transport.serve(address, handlers, threads=THREADS)
        self._console_listener = self._doors.transport.serve(
            Address(console_conversation.ADDRESS.topic, self._doors.name), self._consoles.handlers(), threads=CONSOLE_THREADS
        )
        self._housekeeping.start()
        self._store_keeping.start()
        if self._outbox is not None:
            self._outbox.start()

    def stop(self) -> None:
        """Take nothing more, let each operation come to its next step border, give all leases back.

        The leases come first: until one is given back or runs out, nobody else goes on with its operation.
        """
        self._runner.stop(LEASES_S)
        for listener in (self._listener, self._console_listener):
            if listener is not None:
                listener.stop(LISTENER_S)
        self._housekeeping.stop(LISTENER_S)
        self._store_keeping.stop(0.0)
        if self._outbox is not None:
            self._outbox.stop(LISTENER_S)
        self._doors.transport.close()
        self._doors.database.dispose()

    def alive(self) -> bool:
        """Whether runner and clockwork come round; a broker or database that is away is not this daemon's death."""
        sending = self._outbox is None or self._outbox.alive()
        return self._runner.alive() and self._housekeeping.alive() and sending

    def _beat(self) -> None:
        self._doors.database.transact(lambda tx: services.beat(tx, BINARY, self._doors.name))


def build(conf: cfg.ConfigOpts) -> Conductor:
    """Make the daemon with its real doors."""
    broker = broker_conf.read(conf)
    database = Database(database_conf.read(conf).url, announces=broker.notifications)

    def host_key(name: str) -> str | None:
        with database.read() as tx:
            return hosts.find_key(tx, hosts.HostName(name))

    signing = ControlSigning(read_control_key(broker.url_file.parent), host_key)
    images = make_images(database, daemon_conf.read(conf).state_dir, image_conf.read(conf), api_conf.read(conf).own_url)
    return Conductor(
        Doors(
            database=database,
            transport=RabbitTransport(broker.url, signing=signing, connections=4, ca_file=broker.ca_file),
            network=Networks(database),
            images=images,
            imports=images.imports,
            ratios=scheduler_conf.read(conf),
            reclaim_s=servers_conf.read(conf).reclaim_s,
            moves=moves_conf.read(conf),
            name=socket.gethostname(),
            shelved_offload_s=shelving_conf.read(conf).offload_s,
            store=images.store,
            # With SQLite all is on one machine. Elsewhere the lock that shows a living upload may be another machine's.
            alone=database.dialect == "sqlite",
            notifier=RabbitNotifier(broker.url, ca_file=broker.ca_file) if broker.notifications else None,
        )
    )


def main() -> int:
    """Run until a signal comes; give the exit code."""
    return run("conductor", build)
