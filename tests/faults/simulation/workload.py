"""What is asked of the simulated cloud, one entry for each registered workflow, and what must be true afterwards."""

from __future__ import annotations

import contextlib
import dataclasses
import random
import tempfile
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import sqlalchemy as sa
from faults.simulation.world import HOSTS, Shelf, World
from workflows.servers import CONTEXT, MANY, PROJECT, add_host, new_server

from nova_lite.db.engine import Tx
from nova_lite.db.quota import put_limits
from nova_lite.db.tables import inventory as tables
from nova_lite.db.tables.networks import ports as port_table
from nova_lite.db.tables.servers import servers as server_table
from nova_lite.durable import idempotency, journal
from nova_lite.inventory import claims, hosts
from nova_lite.model.flavor import Flavor
from nova_lite.model.ids import FlavorId, HostName, ServerId
from nova_lite.network.bootstrap import bootstrap
from nova_lite.network.service import Networks
from nova_lite.quota import usage
from nova_lite.servers import records
from nova_lite.workflows import create, delete, evacuate, live_migrate, power, resize, resized
from nova_lite.workflows.desk import Desk

Ask = Callable[[Desk, ServerId], object]
MEMORY = Path("/dev/shm")
SHORT_OF_MEMORY = Path(tempfile.gettempdir())


@dataclasses.dataclass(frozen=True, kw_only=True)
class Load:
    """One request. `begins`: the state it needs (None: no server yet); `ends`: the states, and boots of each guest, after."""

    workflow: str
    begins: str | None
    ends: str
    boots: int = 1
    ask: Ask | None = None
    count: int = 1


LARGER = Flavor(id=FlavorId("2"), name="small", vcpus=2, ram_mib=256, disk_gib=2)


def _reboot(hard: bool) -> Ask:
    return lambda desk, server_id: power.accept_reboot(desk, CONTEXT, server_id, hard=hard)


def _evacuate(desk: Desk, server_id: ServerId) -> None:
    """Say that a server's host is dead, and no other; then evacuate it."""

    def force_down(tx: Tx) -> None:
        dead = records.get(tx, server_id).host
        for name in HOSTS:
            hosts.set_forced_down(tx, HostName(name), forced_down=name == dead)

    desk.database.transact(force_down)
    evacuate.accept(desk, CONTEXT, server_id, evacuate.Evacuation())


LOADS = (
    Load(workflow="boot", begins=None, ends="active"),
    Load(workflow="boot_many", begins=None, ends="active", count=MANY),
    Load(workflow="delete", begins="active", ends="deleted", ask=lambda desk, one: delete.accept(desk, CONTEXT, one)),
    Load(workflow="start", begins="stopped", ends="active", boots=2, ask=lambda d, one: power.accept_start(d, CONTEXT, one)),
    Load(workflow="stop", begins="active", ends="stopped", ask=lambda desk, one: power.accept_stop(desk, CONTEXT, one)),
    Load(workflow="reboot", begins="active", ends="active", boots=2, ask=_reboot(hard=False)),
    Load(workflow="reboot_hard", begins="active", ends="active", boots=2, ask=_reboot(hard=True)),
    Load(workflow="evacuate", begins="active", ends="active", ask=_evacuate),
    Load(
        workflow="live_migrate",
        begins="active",
        ends="active",
        ask=lambda desk, one: live_migrate.accept(desk, CONTEXT, one),
    ),
    Load(
        workflow="resize",
        begins="active",
        ends="resized",
        boots=2,
        ask=lambda desk, one: resize.accept_resize(desk, CONTEXT, one, LARGER),
    ),
    Load(
        workflow="migrate",
        begins="active",
        ends="resized",
        boots=2,
        ask=lambda desk, one: resize.accept_migrate(desk, CONTEXT, one),
    ),
    Load(
        workflow="confirm_resize",
        begins="resized",
        ends="active",
        boots=2,
        ask=lambda desk, one: resized.accept_confirm(desk, CONTEXT, one),
    ),
    Load(
        workflow="revert_resize",
        begins="resized",
        ends="active",
        boots=2,
        ask=lambda desk, one: resized.accept_revert(desk, CONTEXT, one),
    ),
)


def boot(world: World, count: int = 1) -> tuple[ServerId, ...]:
    """Ask for servers."""
    requested = Networks(world.database).resolve(PROJECT, (), auto=True)
    key = str(uuid.uuid4())
    wanted = tuple(new_server(number, f"r-{key[:8]}", requested_networks=requested) for number in range(count))
    order = create.CreateOrder(servers=wanted, min_count=count)
    ticket = idempotency.Ticket(scope="one client", key=key, fingerprint="same")
    world.ask(lambda desk: _create_once(desk, order, ticket))
    return tuple(server.id for server in wanted)


def _create_once(desk: Desk, order: create.CreateOrder, ticket: idempotency.Ticket) -> None:
    """Accept a create as the API does one that carries a key."""
    with contextlib.suppress(idempotency.AlreadyDone):
        desk.database.jointly(
            lambda: create.accept(desk, CONTEXT, order),
            first=lambda tx: idempotency.reserve(tx, ticket),
            last=lambda tx, _ids: idempotency.keep(tx, ticket, 202, "kept"),
        )


def ask(world: World, load: Load, server_ids: tuple[ServerId, ...] = ()) -> None:
    """Ask for what a load wants."""
    if load.ask is None:
        boot(world, load.count)
        return
    for server_id in server_ids or servers(world):
        world.ask(lambda desk, one=server_id: load.ask(desk, one))


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Let ids and jitter depend on the seed."""
    chance = random.Random(f"ids {seed}")
    random.seed(seed)
    with mock.patch("uuid.uuid4", lambda: uuid.UUID(int=chance.getrandbits(128), version=4)):
        yield


def make_shelf() -> tuple[tempfile.TemporaryDirectory[str], Shelf]:
    """Make the states that loads begin in. The folder is to be cleaned up by the caller."""
    folder = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else SHORT_OF_MEMORY)
    shelf = Shelf(Path(folder.name))
    with seeded(0):
        world = shelf.take(None, 0)
        bootstrap(world.database)
        world.database.transact(lambda tx: put_limits(tx, PROJECT, {"instances": -1, "cores": -1, "ram": -1}))
        for name in HOSTS:
            world.database.transact(lambda tx, name=name: add_host(tx, HostName(name)))
        world.rest()
        shelf.keep("empty", world)
        _go_on(shelf, "empty", "active", LOADS[0])
        _go_on(shelf, "active", "stopped", next(load for load in LOADS if load.workflow == "stop"))
        _go_on(shelf, "active", "resized", next(load for load in LOADS if load.workflow == "migrate"))
    return folder, shelf


def _go_on(shelf: Shelf, begin: str, end: str, load: Load) -> None:
    world = shelf.take(begin, 0)
    world.rest()
    ask(world, load)
    world.rest()
    check(world, Counter({load.ends: load.count}))
    shelf.keep(end, world)


# -- what must be true -------------------------------------------------------------------------------------------------


def servers(world: World) -> tuple[ServerId, ...]:
    """List all servers that are not deleted."""
    with world.database.read() as tx:
        return tuple(tx.execute(sa.select(server_table.c.id).where(server_table.c.state != "deleted")).scalars())


def check(world: World, ends: Counter[str]) -> None:
    """Look at rows, claims, quota, ports, guests and queues when all is at rest."""
    with world.database.read() as tx:
        rows = tx.execute(sa.select(server_table.c.id, server_table.c.state, server_table.c.host)).all()
        claim = tables.claims.c
        claimed = Counter(tx.execute(sa.select(claim.server_id, claim.host).where(claim.role != "held")).tuples().all())
        held = set(tx.execute(sa.select(claim.server_id).where(claim.role == "held")).scalars())
        ports = Counter(tx.execute(sa.select(port_table.c.server_id, port_table.c.status)).tuples().all())
        owed = tx.execute(sa.select(tables.tombstones)).all()
        assert journal.live(tx) == ()
        assert claims.differences(tx) == ()
        used = usage.used_by(tx, PROJECT)["instances"]
    assert Counter(row.state for row in rows) == ends
    here = [row for row in rows if row.state != "deleted"]
    assert held == {row.id for row in here if row.state == "resized"}
    assert Counter(one for name in HOSTS for one in world.up[name].hypervisor.moves.held()) == Counter(held)
    power_states = {"active": "RUNNING", "stopped": "SHUTDOWN", "resized": "RUNNING"}
    expected = Counter((row.id, row.host, power_states[row.state]) for row in here)
    assert guests(world) == expected
    assert claimed == Counter((row.id, row.host) for row in here)
    assert ports == Counter((row.id, "ACTIVE") for row in here)
    assert used == len(here)
    assert owed == []
    assert all(len(world.up[name].ledger.list_notices()) == 0 for name in HOSTS)


def guests(world: World) -> Counter[tuple[str, str, str]]:
    """Count guests on all hosts, each with its power."""
    return Counter(
        (guest.server_id, name, guest.power_state.name) for name in HOSTS for guest in world.up[name].hypervisor.list_guests()
    )


def boots(world: World) -> list[int]:
    """Give how often each guest was booted."""
    return [world.up[host].hypervisor.boots(ServerId(server_id)) for server_id, host, _power in guests(world)]
