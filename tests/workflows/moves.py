"""The moves on a stage: a server that lives on h1 goes to h2 or to another size, and what ends that."""

from __future__ import annotations

import dataclasses

import sqlalchemy as sa
from workflows.servers import FLAVOR, HOSTS, PROJECT, SettledStage

from nova_lite.db.engine import Database
from nova_lite.db.tables import inventory as tables
from nova_lite.db.tables.networks import ports as port_table
from nova_lite.inventory import claims
from nova_lite.model.flavor import Flavor
from nova_lite.model.guest import PowerState
from nova_lite.model.ids import FlavorId, HostName
from nova_lite.model.migration import MigrationStatus
from nova_lite.model.server import Server, ServerState
from nova_lite.quota import usage
from nova_lite.servers import moves, records
from nova_lite.workflows import books, delete, evacuate, live_migrate, resize, resized
from nova_lite.workflows.delete import DELETE, DELETE_RESIZED
from nova_lite.workflows.evacuate import EVACUATE
from nova_lite.workflows.live_migrate import LIVE_MIGRATE
from nova_lite.workflows.resize import MIGRATE, RESIZE
from nova_lite.workflows.resized import CONFIRM, REVERT

LARGER = Flavor(id=FlavorId("2"), name="small", vcpus=2, ram_mib=256, disk_gib=2)


class MoveStage(SettledStage):
    """A server on h1 with its books, ports and guest; what the checks of all moves need."""

    others = (DELETE,)

    def __init__(self, database: Database, workflow, accept, power_state: PowerState = PowerState.RUNNING) -> None:
        for name in HOSTS:  # an earlier stage of this database may have disabled one
            database.transact(
                lambda tx, name=name: claims.queries.update_host(tx, HostName(name), enabled=True, forced_down=False)
            )
        super().__init__(database, workflow, accept, power_state)
        self._cores_before = self._cores()

    def _cores(self) -> int:
        with self.database.read() as tx:
            return usage.used_by(tx, PROJECT)["cores"]

    def more_cores(self) -> int:
        """Count the cores taken of the quota since the server settled."""
        return self._cores() - self._cores_before

    @property
    def server(self) -> Server:
        return self.servers[0]

    def roles(self) -> dict[str, str]:
        with self.database.read() as tx:
            query = sa.select(tables.claims.c.role, tables.claims.c.host).where(tables.claims.c.server_id == self.server.id)
            return {row.role: row.host for row in tx.execute(query)}

    def port_hosts(self) -> set[str]:
        with self.database.read() as tx:
            return set(tx.execute(sa.select(port_table.c.host).where(port_table.c.server_id == self.server.id)).scalars())

    def status(self) -> MigrationStatus:
        with self.database.read() as tx:
            return moves.list_migrations(tx, moves.MigrationFilter(server_id=self.server.id))[0].status

    def check_at(self, host: str, power: PowerState) -> None:
        """The guest is on one host alone, and its ports are there."""
        row = self.row(self.server)
        assert (row.host, row.power_state) == (host, power)
        assert self.hosts.with_guest(self.server.id) == [host]
        assert self.hosts[host].guests[self.server.id] is power
        assert self.port_hosts() == {host}
        self.check_books()

    def check_as_before(self) -> None:
        """Nothing moved, and nothing is set aside or taken."""
        row = self.row(self.server)
        assert (row.state, row.flavor) == (self._before, FLAVOR)
        power = PowerState.RUNNING if self._before is ServerState.ACTIVE else PowerState.SHUTDOWN
        self.check_at("h1", power)
        assert self.hosts.with_held(self.server.id) == []
        assert self.roles() == {"current": "h1"}
        assert self.more_cores() == 0

    def check_clean(self) -> None:
        self.check_as_before()
        assert self.status() is MigrationStatus.ERROR

    def check_deleted(self) -> None:
        super().check_deleted()
        assert self.hosts.with_held(self.server.id) == []
        with self.database.read() as tx:
            assert all(move.status.value in moves.ENDED for move in moves.list_migrations(tx, moves.MigrationFilter()))


class ColdStage(MoveStage):
    """A resize or cold migration from its request to the wait for an answer."""

    others = (DELETE, DELETE_RESIZED)

    def __init__(self, database: Database, scenario: ColdScenario) -> None:
        super().__init__(database, scenario.workflow, scenario.accept, scenario.power_state)
        self._target, self._power = scenario.target, scenario.power_state
        self._flavor = FLAVOR if scenario.workflow is MIGRATE else LARGER
        if scenario.target == "h1":
            database.transact(lambda tx: claims.queries.update_host(tx, HostName("h2"), enabled=False))
        else:
            database.transact(lambda tx: claims.queries.update_host(tx, HostName("h1"), enabled=False))

    def check_success(self) -> None:
        row = self.row(self.server)
        assert (row.state, row.flavor) == (ServerState.RESIZED, self._flavor)
        self.check_at(self._target, self._power)
        assert self.hosts.with_held(self.server.id) == ["h1"]
        assert self.hosts[self._target].sizes[self.server.id] == self._flavor.vcpus
        assert self.roles() == {"current": self._target, "held": "h1"}
        assert self.more_cores() == self._flavor.vcpus - FLAVOR.vcpus
        assert self.status() is MigrationStatus.FINISHED


class ResizedStage(MoveStage):
    """A server that was resized, from h1 to h2 or on h1, and waits for an answer."""

    def __init__(self, database: Database, scenario: ResizedScenario) -> None:
        super().__init__(database, scenario.workflow, scenario.accept, scenario.power_state)
        self._target, self._power, self._old, self._new = scenario.target, scenario.power_state, scenario.old, scenario.new
        self.older_operations = 0
        database.transact(self._settle_resized)
        host = self.hosts["h1"]
        host.guests.pop(self.server.id)
        host.held.add(self.server.id)
        self.hosts[self._target].guests[self.server.id] = self._power
        self.hosts[self._target].brought.add(self.server.id)
        self.network.bind_ports(self.server.id, HostName(self._target))

    def _settle_resized(self, tx) -> None:
        server = dataclasses.replace(self.server, flavor=self._old)
        claims.release(tx, server.id)
        claims.claim(tx, HostName("h1"), server.id, self._old.resources(), claims.ClaimRole.HELD)
        claims.claim(tx, HostName(self._target), server.id, self._new.resources())
        move = moves.Move(type=moves.MigrationType.RESIZE, status=MigrationStatus.FINISHED, new_flavor=self._new)
        moves.begin(tx, server, HostName("h1"), "none", move)
        books.give_back(tx, PROJECT, FLAVOR)
        books.reserve(tx, PROJECT, self._old, 1)
        books.reserve_growth(tx, server, self._new)
        records.update(tx, server.id, state=ServerState.RESIZED, host=HostName(self._target), flavor=self._new)

    def check_success(self) -> None:
        if self.workflow in (DELETE, DELETE_RESIZED):
            self.check_deleted()
            return
        confirmed = self.workflow is CONFIRM
        row = self.row(self.server)
        assert row.state is (ServerState.ACTIVE if self._power is PowerState.RUNNING else ServerState.STOPPED)
        assert row.flavor == (self._new if confirmed else self._old)
        self.check_at(self._target if confirmed else "h1", self._power)
        assert self.hosts.with_held(self.server.id) == []
        assert self.roles() == {"current": row.host}
        assert self.more_cores() == row.flavor.vcpus - FLAVOR.vcpus
        assert self.status() is (MigrationStatus.CONFIRMED if confirmed else MigrationStatus.REVERTED)


class EvacuateStage(MoveStage):
    """A server whose host h1 is dead by an operator's word, with its guest still there, as nobody can look."""

    def __init__(self, database: Database, scenario: EvacuateScenario) -> None:
        super().__init__(database, EVACUATE, evacuate_it, scenario.power_state)
        self._power = scenario.power_state
        database.transact(lambda tx: claims.queries.update_host(tx, HostName("h1"), forced_down=True))
        self.standings.lost, self.standings.dead = {"h1"}, {"h1"}

    def owed(self) -> list[tuple[str, str]]:
        with self.database.read() as tx:
            query = sa.select(tables.tombstones.c.host, tables.tombstones.c.server_id)
            rows = tx.execute(query.where(tables.tombstones.c.server_id == self.server.id)).all()
        return [(row.host, row.server_id) for row in rows]

    def check_success(self) -> None:
        self.hosts["h1"].guests.pop(self.server.id)  # as the tombstone has it
        assert self.owed() == [("h1", self.server.id)]
        assert self.row(self.server).state is self._before
        self.check_at("h2", self._power)
        assert self.roles() == {"current": "h2"}
        assert self.status() is MigrationStatus.DONE

    def check_clean(self) -> None:
        self.check_as_before()
        assert self.owed() == []
        assert self.status() is MigrationStatus.FAILED

    def check_deleted(self) -> None:
        assert self.owed() == [("h1", self.server.id)]
        self.hosts["h1"].guests.pop(self.server.id, None)
        super().check_deleted()


class LiveStage(MoveStage):
    """A running server that goes to h2 as it runs."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, LIVE_MIGRATE, live_migrate.accept)

    def check_moved(self) -> None:
        assert self.row(self.server).state is ServerState.ACTIVE
        self.check_at("h2", PowerState.RUNNING)
        assert self.roles() == {"current": "h2"}
        assert self.status() is MigrationStatus.COMPLETED

    def check_success(self) -> None:
        self.check_moved()

    def check_clean(self) -> None:
        """It stayed; or it had gone already when it was to stay, and that is settled."""
        if self.row(self.server).host == "h2":
            self.check_moved()
            return
        self.check_as_before()
        assert self.status() in (MigrationStatus.ERROR, MigrationStatus.CANCELLED)


@dataclasses.dataclass(frozen=True)
class LiveScenario:
    workflow: object = LIVE_MIGRATE
    name: str = "live_migrate"

    def build(self, database: Database) -> LiveStage:
        return LiveStage(database)


def evacuate_it(desk, context, server_id) -> None:
    evacuate.accept(desk, context, server_id, evacuate.Evacuation())


@dataclasses.dataclass(frozen=True)
class EvacuateScenario:
    power_state: PowerState
    workflow: object = EVACUATE

    @property
    def name(self) -> str:
        return f"evacuate-{self.power_state.name.lower()}"

    def build(self, database: Database) -> EvacuateStage:
        return EvacuateStage(database, self)


def resize_to_larger(desk, context, server_id) -> None:
    resize.accept_resize(desk, context, server_id, LARGER)


@dataclasses.dataclass(frozen=True)
class ColdScenario:
    workflow: object
    accept: object
    target: str
    power_state: PowerState = PowerState.RUNNING

    @property
    def name(self) -> str:
        return f"{self.workflow.name}-to-{self.target}"

    def build(self, database: Database) -> ColdStage:
        return ColdStage(database, self)


@dataclasses.dataclass(frozen=True)
class ResizedScenario:
    workflow: object
    accept: object
    target: str
    power_state: PowerState = PowerState.RUNNING
    old: Flavor = FLAVOR
    new: Flavor = LARGER

    @property
    def name(self) -> str:
        return f"{self.workflow.name}-at-{self.target}"

    def build(self, database: Database) -> ResizedStage:
        return ResizedStage(database, self)


SCENARIOS = (
    ColdScenario(RESIZE, resize_to_larger, "h2"),
    ColdScenario(RESIZE, resize_to_larger, "h1"),
    ColdScenario(MIGRATE, resize.accept_migrate, "h2", PowerState.SHUTDOWN),
    ResizedScenario(CONFIRM, resized.accept_confirm, "h2", old=LARGER, new=FLAVOR),
    ResizedScenario(CONFIRM, resized.accept_confirm, "h1"),
    ResizedScenario(REVERT, resized.accept_revert, "h2", PowerState.SHUTDOWN),
    ResizedScenario(REVERT, resized.accept_revert, "h1"),
    ResizedScenario(DELETE_RESIZED, delete.accept, "h2"),
    LiveScenario(),
    EvacuateScenario(PowerState.RUNNING),
    EvacuateScenario(PowerState.SHUTDOWN),
)
