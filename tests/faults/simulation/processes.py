"""The processes of the simulation: a conductor and a compute host, of the product's own parts, doing what they are told."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
from faults.simulation.broker import Broker, Message, Wire
from faults.simulation.faults import Seams, Wrapped
from workflows.fake_images import FakeImages

from nova_lite.compute.crew import Crew
from nova_lite.compute.ledger import Ledger
from nova_lite.compute.monitor import Monitor, MonitorParts
from nova_lite.compute.moving.fetch import FetchError
from nova_lite.compute.reports import Outbox
from nova_lite.compute.service import ComputeService, ServiceParts
from nova_lite.compute.virt.driver import VirtError
from nova_lite.compute.virt.fake.driver import FakeDriver
from nova_lite.compute.virt.fake.guests import Guests
from nova_lite.conductor.host_book import HostBook
from nova_lite.conductor.reconcilers.lost_hosts import LostHosts
from nova_lite.conductor.reconcilers.power_states import PowerStates
from nova_lite.conductor.service import ConductorParts, ConductorService
from nova_lite.conf.scheduler import SchedulerOptions
from nova_lite.db.engine import Database
from nova_lite.durable.runner import Runner, RunnerOptions
from nova_lite.inventory import hosts
from nova_lite.model.host import MoveDoor
from nova_lite.model.ids import HostName
from nova_lite.network.service import Networks
from nova_lite.rpc.compute import ComputeClient
from nova_lite.rpc.conductor import ConductorClient
from nova_lite.scheduler.pick import pick
from nova_lite.workflows.ports import Ports
from nova_lite.workflows.registry import REGISTRY

LOOK_S = 20.0  # a lost host is silent for 120 s: the daemon's 5 s would only cost time here
CHANGES = frozenset({"ensure_guest", "remove_guest", "power_on", "power_off", "reboot"})
SNAPSHOTS = frozenset({"take", "upload", "release"})
STATES = frozenset({"pause", "suspend", "set_password", "interrupt", "rewire"})
INTERFACES = frozenset({"ensure"})
RENEWAL = frozenset({"fetch", "rebuild", "rescue", "unrescue"})
MOVES = frozenset({"hold", "bring", "finish", "restore", "drop"})
LIVE = frozenset({"prepare", "migrate", "stay"})
WRITES = frozenset({"enter", "enter_tombstone", "conclude", "add_notice", "drop_notice"})


class Books(Database):
    """The database as one process sees it: points on either side of each commit."""

    def __init__(self, shared: Database, seams: Seams) -> None:
        self.clock, self.engine, self.own_time = shared.clock, shared.engine, shared.own_time
        self.announces = shared.announces
        self._seams = seams
        self.where = ""

    @contextlib.contextmanager
    def writing(self) -> Iterator[Any]:
        """Open a transaction that writes."""
        with super().writing() as connection:
            yield connection
            self._seams.reach("journal.commit", "before", self.where)
        self._seams.reach("journal.commit", "after", self.where)


class Choice:
    """The scheduler's choice, made in place over the hosts as the database has them."""

    def __init__(self, database: Database, seams: Seams) -> None:
        self._database, self._seams = database, seams

    def rank(self, request: Any, envelope: Any = None) -> Any:
        """Rank the hosts."""
        with self._database.read() as tx:
            listed = hosts.list_hosts(tx)
        return self._seams.around("scheduler", "rank", lambda: pick(request, listed))


class ConductorProcess:
    """A conductor: handlers, a runner that runs in the caller's thread, and the look for lost hosts."""

    def __init__(self, shared: Database, broker: Broker, seams: Seams) -> None:
        self._seams = seams
        self._clock = shared.clock
        self.database = database = Books(shared, seams)
        book = HostBook(database)
        compute = ComputeClient(Wire(broker, seams))
        ports = Ports(
            database=database,
            scheduler=Choice(database, seams),
            compute=compute,
            network=Networks(database),
            images=FakeImages(database),
            imports=None,
            hosts=book,
            shelved_offload_s=-1,
        )
        self._runner = Runner(
            database,
            REGISTRY,
            ports,
            RunnerOptions(owner=seams.process),
            clock=shared.clock,
            silence_of=book.silence_of,
            reached=self._reached,
        )
        service = ConductorService(
            ConductorParts(
                database=database,
                compute=compute,
                ring=lambda operation_id: None,  # the simulation looks when something is due
                ratios=SchedulerOptions(),
                power_states=PowerStates(database),
            )
        )
        names = ("ring", "register", "heartbeat", "report", "power_changed", "tombstone_done")
        self._handlers = {name: getattr(service, name) for name in names}
        self._lost = LostHosts(database, book.remember, book.counted)
        self.due = shared.clock.monotonic() + LOOK_S

    def _reached(self, point: str, step: str) -> None:
        self.database.where = step
        name, _, rest = point.partition(" ")
        if rest:
            self._seams.reach(f"step.{rest}", name, step)
        else:
            self._seams.reach("step.record", "during", step)

    def handle(self, message: Message) -> None:
        """Take a message."""
        self.database.where = message.method
        self._handlers[message.method](orjson.loads(message.body))

    def run(self) -> bool:
        """Run what is due."""
        return self._runner.run_once() > 0

    def tick(self) -> None:
        """Look for lost hosts now and then."""
        self.database.where = "lost_hosts"
        self._lost.reconcile()
        self.due = self._clock.monotonic() + LOOK_S

    def close(self) -> None:
        """Nothing is left in this process's hands."""


class Hands(concurrent.futures.Executor):
    """Work that waits until it is told to be done, a piece at a time, in the caller's thread."""

    def __init__(self) -> None:
        self.waiting: collections.deque[tuple[concurrent.futures.Future[Any], Callable[[], Any]]] = collections.deque()

    def submit(self, function: Any, /, *args: Any, **named: Any) -> concurrent.futures.Future[Any]:
        """Keep a piece of work."""
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self.waiting.append((future, lambda: function(*args, **named)))
        return future

    def work(self) -> bool:
        """Do the oldest piece."""
        if not self.waiting:
            return False
        future, act = self.waiting.popleft()
        try:
            result = act()
        except Exception as error:  # as an executor's thread does
            future.set_exception(error)
        else:
            future.set_result(result)
        return True


class HypervisorFile(Guests):
    """The fake hypervisor's file, with points on either side of each write."""

    def __init__(self, folder: Path, seams: Seams) -> None:
        self._seams = seams
        super().__init__(folder)

    def save(self) -> None:
        self._seams.around("file", "hypervisor", super().save)


def _fetcher(folder: Path) -> Callable[..., None]:
    """Fetch from another host's folder what it has set aside, as its door would give it."""

    def fetch(source: Any, server_id: str, into: Path, _stop: Any) -> None:
        other = folder / source.host
        held = orjson.loads((other / "hypervisor.json").read_bytes())["held"].get(server_id)
        if held is None or held["offer"] != hashlib.sha256(source.token.encode()).hexdigest():
            raise VirtError("The server's former host refuses to give its disks.", code="no_source")
        into.mkdir(parents=True, exist_ok=True)
        (into / "disk.json").write_bytes((other / "moves" / server_id / "disk.json").read_bytes())

    return fetch


def _giver(folder: Path) -> Callable[..., None]:
    """Give a file of a guest to another host's folder, as its door would take it."""

    def give(target: Any, server_id: str, name: str, content: bytes) -> None:
        other = folder / target.host
        waited = orjson.loads((other / "hypervisor.json").read_bytes())["brought"].get(server_id, {})
        if waited.get("token_sha256") != hashlib.sha256(target.token.encode()).hexdigest():
            raise FetchError("The target host refuses a file of the guest.")
        (other / "live" / server_id).mkdir(parents=True, exist_ok=True)
        (other / "live" / server_id / name).write_bytes(content)

    return give


class ComputeProcess:
    """A compute host over its two files, with its clockwork turned by the simulation."""

    def __init__(self, name: str, folder: Path, broker: Broker, seams: Seams, shared: Database) -> None:
        host, clock = HostName(name), shared.clock
        wire = Wire(broker, seams)
        conductor = ConductorClient(wire)
        self.hypervisor = FakeDriver(folder, host, guests=HypervisorFile(folder, seams), fetching=_fetcher(folder.parent))
        self.hypervisor.snapshots.send = FakeImages(shared).send  # the image service, which has no deaths here
        self.hypervisor.snapshots = Wrapped(self.hypervisor.snapshots, seams, "driver", SNAPSHOTS)
        self.hypervisor.states = Wrapped(self.hypervisor.states, seams, "driver", STATES)
        self.hypervisor.interfaces = Wrapped(self.hypervisor.interfaces, seams, "driver", INTERFACES)
        self.hypervisor.renewal = Wrapped(self.hypervisor.renewal, seams, "driver", RENEWAL)
        self.hypervisor.live = Wrapped(self.hypervisor.live, seams, "driver", LIVE)
        self.hypervisor.live._inner._give = _giver(folder.parent)
        self.hypervisor.moves = Wrapped(self.hypervisor.moves, seams, "driver", MOVES)
        driver = Wrapped(self.hypervisor, seams, "driver", CHANGES)
        self._file = Ledger(folder / "ledger.db", clock)
        self.ledger = Wrapped(self._file, seams, "ledger", WRITES)
        self._pools: dict[str, Hands] = {
            "work": Hands(),
            "send": Hands(),
            "build": Hands(),
        }  # removals make room for new guests
        self.outbox = Outbox(self.ledger, conductor, clock)
        crew = Crew(clock, pools=lambda _workers, pool: self._pools[pool])
        self.monitor = Monitor(
            MonitorParts(
                host=host,
                driver=driver,
                conductor=conductor,
                transport=wire,
                outbox=self.outbox,
                crew=crew,
                clock=clock,
                door=lambda: MoveDoor(port=1, fingerprint="f"),
            )
        )
        self.service = ComputeService(
            ServiceParts(
                host=host,
                driver=driver,
                ledger=self.ledger,
                outbox=self.outbox,
                crew=crew,
                monitor=self.monitor,
                clock=clock,
            )
        )
        self.monitor.add_chore("owed", self.service.obey_tombstones)
        self.monitor.before_registering(self._adopt)
        self.hypervisor.listen(self.monitor.power_changed)
        self._handlers = self.service.handlers()
        self._clock = clock
        self.due = clock.monotonic()

    def _adopt(self) -> None:
        self.ledger.forget_absent({guest.server_id for guest in self.hypervisor.list_guests()})

    def handle(self, message: Message) -> None:
        """Take a message."""
        self._handlers[message.method](orjson.loads(message.body))
        self.due = self._clock.monotonic()

    def work(self) -> bool:
        """Do one piece of work: removals before new guests, which wait for them."""
        return any(pool.work() for pool in self._pools.values())

    def tick(self) -> None:
        """Turn the clockwork."""
        self.due = self._clock.monotonic() + self.monitor.tick()

    def is_idle(self) -> bool:
        """Whether nothing is in hand and nothing waits to be acknowledged."""
        return len(self.outbox) == 0 and not any(pool.waiting for pool in self._pools.values())

    def close(self) -> None:
        """Let go of the file, as a death does."""
        self._file.close()
