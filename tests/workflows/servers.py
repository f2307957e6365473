"""The servers' workflows on a stage: two hosts, the embedded network, the real choice and claim, images by name only."""

from __future__ import annotations

import dataclasses
import math
import uuid

import sqlalchemy as sa
from workflows.fake_hosts import FakeHosts
from workflows.fake_images import FakeImages

from nova_lite.conf.scheduler import SchedulerOptions
from nova_lite.context import Context
from nova_lite.db.engine import Database
from nova_lite.db.quota import put_limits
from nova_lite.db.tables import inventory as tables
from nova_lite.db.tables.networks import ports as port_table
from nova_lite.durable import journal
from nova_lite.inventory import claims, hosts
from nova_lite.model.flavor import Flavor
from nova_lite.model.guest import PowerState
from nova_lite.model.host import HostFacts, MoveDoor
from nova_lite.model.ids import FlavorId, HostName, ImageId, OperationId, ProjectId, ServerId, UserId
from nova_lite.model.resources import Resources
from nova_lite.model.server import Server, ServerState
from nova_lite.network.bootstrap import bootstrap
from nova_lite.network.port import PortOrder
from nova_lite.network.service import Networks
from nova_lite.quota import usage
from nova_lite.scheduler.pick import pick
from nova_lite.servers import records
from nova_lite.workflows import ask_guest, books, create, delete, power
from nova_lite.workflows.ask_guest import CHANGE_PASSWORD, INJECT_NETWORK_INFO, TRIGGER_CRASH_DUMP
from nova_lite.workflows.boot import BOOT
from nova_lite.workflows.boot_many import BOOT_MANY, RESERVATION
from nova_lite.workflows.delete import DELETE
from nova_lite.workflows.desk import SERVER, Desk
from nova_lite.workflows.ports import HostStanding, Ports
from nova_lite.workflows.power import PAUSE, REBOOT, REBOOT_HARD, RESUME, START, STOP, SUSPEND, UNPAUSE

PROJECT, USER = ProjectId("p" * 32), UserId("u" * 32)
FLAVOR = Flavor(id=FlavorId("1"), name="tiny", vcpus=1, ram_mib=128, disk_gib=1)
CONTEXT = Context(request_id="req-1", user_id=USER, project_id=PROJECT, roles=frozenset({"member"}))
HOSTS = ("h1", "h2")
MANY = 3


@dataclasses.dataclass
class Scheduler:
    """Chooses at once, from the database; hosts never go down by themselves here."""

    database: Database

    def rank(self, request, envelope=None):
        with self.database.read() as tx:
            listed = [dataclasses.replace(host, up=True) for host in hosts.list_for_choice(tx)]
        return pick(request, listed)


@dataclasses.dataclass
class Standings:
    """Hosts as the test wants them: all up unless named in `down`."""

    database: Database
    down: set[str] = dataclasses.field(default_factory=set)
    lost: set[str] = dataclasses.field(default_factory=set)
    dead: set[str] = dataclasses.field(default_factory=set)
    heard_s: float = math.inf

    def heard_for_s(self):
        return self.heard_s

    def look(self, host):
        return HostStanding(incarnation=1, up=host not in self.down | self.lost, lost=host in self.lost, dead=host in self.dead)

    def has_failed(self, host):
        return True

    def owe_removal(self, host, server_id, *, fence, turn):
        self.database.transact(lambda tx: hosts.owe_removal(tx, host, server_id, fence=fence, turn=turn))


def new_server(number: int = 0, reservation: str = "r-1", **changes) -> Server:
    plain = Server(
        id=ServerId(str(uuid.uuid4())),
        project_id=PROJECT,
        user_id=USER,
        name=f"s{number}",
        hostname=f"s{number}",
        state=ServerState.BUILDING,
        flavor=FLAVOR,
        image_id=ImageId(str(uuid.uuid4())),
        reservation_id=reservation,
        launch_index=number,
    )
    return dataclasses.replace(plain, **changes)


class ServerStage:
    """One request on its way; the checks look at rows, claims, ports, quota and guests together."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.hosts = FakeHosts(*HOSTS)
        self.network = Networks(database)
        self.standings = Standings(database)
        self.images = FakeImages(database)
        for host in self.hosts.hosts.values():
            host.fill = self.images.fill
        self.desk = Desk(database=database, ring=lambda operation_id: None)
        self.ports = Ports(
            database=database,
            scheduler=Scheduler(database),
            compute=self.hosts,
            network=self.network,
            images=self.images,
            imports=None,
            hosts=self.standings,
        )
        bootstrap(database)
        database.transact(lambda tx: put_limits(tx, PROJECT, {"instances": -1, "cores": -1, "ram": -1}))
        self._used_before = self._usage()
        for name in HOSTS:
            database.transact(lambda tx, name=name: add_host(tx, HostName(name)))
        self.servers: tuple[Server, ...] = ()

    # -- what is there -------------------------------------------------------------------------------------------------

    def row(self, server: Server) -> Server:
        with self.database.read() as tx:
            return records.get(tx, server.id, include_deleted=True)

    def claimed(self, server: Server) -> list[str]:
        with self.database.read() as tx:
            query = sa.select(tables.claims.c.host).where(tables.claims.c.server_id == server.id)
            return list(tx.execute(query).scalars())

    def port_states(self, server: Server) -> list[str]:
        with self.database.read() as tx:
            query = sa.select(port_table.c.status).where(port_table.c.server_id == server.id)
            return list(tx.execute(query).scalars())

    def used(self) -> int:
        """Count the quota taken since this stage was set up."""
        return self._usage() - self._used_before

    def _usage(self) -> int:
        with self.database.read() as tx:
            return usage.used_by(tx, PROJECT)["instances"]

    def check_books(self) -> None:
        with self.database.read() as tx:
            assert claims.differences(tx) == ()

    # -- how it ends ---------------------------------------------------------------------------------------------------

    def check_active(self, server: Server) -> None:
        row = self.row(server)
        assert (row.state, row.power_state) == (ServerState.ACTIVE, PowerState.RUNNING)
        assert self.hosts.with_guest(server.id) == [row.host] == self.claimed(server)
        assert self.port_states(server) == ["ACTIVE"]
        assert len(row.addresses) == 1

    def check_nothing_left(self, server: Server, state: ServerState) -> None:
        row = self.row(server)
        assert (row.state, row.host, row.addresses) == (state, None, ())
        assert self.hosts.with_guest(server.id) == []
        assert self.claimed(server) == []
        assert self.port_states(server) == []

    def check_clean(self) -> None:
        for server in self.servers:
            self.check_nothing_left(server, ServerState.ERROR)
            assert self.row(server).fault is not None
        assert self.used() == len(self.servers)
        self.check_books()

    def check_deleted(self) -> None:
        for server in self.servers:
            self.check_nothing_left(server, ServerState.DELETED)
        assert self.used() == 0
        self.check_books()

    def _live(self, kind: str, subject_id: str) -> OperationId:
        with self.database.read() as tx:
            return journal.live_operation(tx, kind, subject_id).id


def add_host(tx, name: HostName) -> None:
    """Add a host once, in its first incarnation, however many stages there are in a database."""
    if hosts.find_key(tx, name) is None:
        hosts.add_host(tx, name)
        hosts.register(tx, name, facts(name), SchedulerOptions())


def facts(name: str) -> HostFacts:
    return HostFacts(
        hypervisor_type="fake",
        hypervisor_version=1,
        hypervisor_hostname=name,
        architectures=("x86_64",),
        total=Resources(vcpus=64, ram_mib=40960, disk_gib=1000),
        moves=MoveDoor(port=1, fingerprint="f"),
    )


class BootStage(ServerStage):
    """One server, or several of one request."""

    others = (BOOT, DELETE)

    def __init__(self, database: Database, workflow, count: int) -> None:
        super().__init__(database)
        self.workflow = workflow
        requested = self.network.resolve(PROJECT, (), auto=True)
        reservation = f"r-{uuid.uuid4().hex[:8]}"
        self.servers = tuple(new_server(number, reservation, requested_networks=requested) for number in range(count))

    def begin(self) -> OperationId:
        create.accept(self.desk, CONTEXT, create.CreateOrder(servers=self.servers, min_count=len(self.servers)))
        if self.workflow is BOOT:
            return self._live(SERVER, self.servers[0].id)
        return self._live(RESERVATION, self.servers[0].reservation_id)

    def check_success(self) -> None:
        for server in self.servers:
            self.check_active(server)
        assert self.used() == len(self.servers)
        self.check_books()


STATES = {
    PowerState.RUNNING: ServerState.ACTIVE,
    PowerState.SHUTDOWN: ServerState.STOPPED,
    PowerState.PAUSED: ServerState.PAUSED,
    PowerState.SUSPENDED: ServerState.SUSPENDED,
}
AFTER = {"stop": PowerState.SHUTDOWN, "pause": PowerState.PAUSED, "suspend": PowerState.SUSPENDED}


class SettledStage(ServerStage):
    """A server that lives on h1 with some power, and what is done with it."""

    others = (DELETE,)

    def __init__(self, database: Database, workflow, accept, power_state: PowerState) -> None:
        super().__init__(database)
        self.workflow = workflow
        self._accept = accept
        self._before = STATES[power_state]
        server = new_server(state=self._before, power_state=power_state, host=HostName("h1"))
        self.servers = (server,)
        self.hosts["h1"].guests[server.id] = power_state

        def settle(tx) -> None:
            books.reserve(tx, PROJECT, FLAVOR, 1)
            records.insert(tx, server)
            claims.claim(tx, HostName("h1"), server.id, FLAVOR.resources())

        database.transact(settle)
        self.network.ensure_ports(
            PortOrder(
                key=f"settled {server.id}",
                server_id=server.id,
                project_id=PROJECT,
                host=HostName("h1"),
                hostname="s",
                zone="nova",
                requested=self.network.resolve(PROJECT, (), auto=True),
            )
        )

    def begin(self) -> OperationId:
        self._accept(self.desk, CONTEXT, self.servers[0].id)
        return self._live(SERVER, self.servers[0].id)

    def check_success(self) -> None:
        if self.workflow is DELETE:
            self.check_deleted()
            return
        server = self.servers[0]
        row, after = self.row(server), AFTER.get(self.workflow.name, PowerState.RUNNING)
        assert (row.state, row.power_state) == (STATES[after], after)
        assert self.hosts["h1"].guests[server.id] == row.power_state
        assert self.claimed(server) == ["h1"]

    def check_clean(self) -> None:
        """What failed leaves the server in the state that it was in."""
        server = self.servers[0]
        assert self.row(server).state == self._before
        assert self.hosts.with_guest(server.id) == ["h1"]
        assert self.claimed(server) == ["h1"]
        self.check_books()


@dataclasses.dataclass(frozen=True)
class BootScenario:
    workflow: object
    count: int

    @property
    def name(self) -> str:
        return self.workflow.name

    def build(self, database: Database) -> BootStage:
        return BootStage(database, self.workflow, self.count)


@dataclasses.dataclass(frozen=True)
class SettledScenario:
    workflow: object
    accept: object
    power_state: PowerState

    @property
    def name(self) -> str:
        return self.workflow.name

    def build(self, database: Database) -> SettledStage:
        return SettledStage(database, self.workflow, self.accept, self.power_state)


def reboot_hard(desk, context, server_id) -> None:
    power.accept_reboot(desk, context, server_id, hard=True)


def reboot_soft(desk, context, server_id) -> None:
    power.accept_reboot(desk, context, server_id, hard=False)


def change_password(desk, context, server_id) -> None:
    ask_guest.accept_password(desk, context, server_id, "a new one")


SCENARIOS = (
    BootScenario(BOOT, 1),
    BootScenario(BOOT_MANY, MANY),
    SettledScenario(DELETE, delete.accept, PowerState.RUNNING),
    SettledScenario(START, power.accept_start, PowerState.SHUTDOWN),
    SettledScenario(STOP, power.accept_stop, PowerState.RUNNING),
    SettledScenario(REBOOT, reboot_soft, PowerState.RUNNING),
    SettledScenario(REBOOT_HARD, reboot_hard, PowerState.RUNNING),
    SettledScenario(PAUSE, power.accept_pause, PowerState.RUNNING),
    SettledScenario(UNPAUSE, power.accept_unpause, PowerState.PAUSED),
    SettledScenario(SUSPEND, power.accept_suspend, PowerState.RUNNING),
    SettledScenario(RESUME, power.accept_resume, PowerState.SUSPENDED),
    SettledScenario(CHANGE_PASSWORD, change_password, PowerState.RUNNING),
    SettledScenario(INJECT_NETWORK_INFO, ask_guest.accept_network_info, PowerState.RUNNING),
    SettledScenario(TRIGGER_CRASH_DUMP, ask_guest.accept_crash_dump, PowerState.RUNNING),
)
