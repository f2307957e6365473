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
from workflows.fake_images import FakeImages
from workflows.servers import CONTEXT, MANY, PROJECT, add_host, new_server

from nova_lite.db.engine import Tx
from nova_lite.db.quota import put_limits
from nova_lite.db.tables import inventory as tables
from nova_lite.db.tables.networks import addresses as address_table
from nova_lite.db.tables.networks import ports as port_table
from nova_lite.db.tables.servers import servers as server_table
from nova_lite.durable import idempotency, journal
from nova_lite.inventory import claims, hosts
from nova_lite.model.flavor import Flavor
from nova_lite.model.ids import FlavorId, HostName, ImageId, ServerId
from nova_lite.model.server import RequestedNetwork
from nova_lite.network.bootstrap import bootstrap
from nova_lite.network.service import Networks
from nova_lite.quota import usage
from nova_lite.servers import records
from nova_lite.workflows import (
    ask_guest,
    create,
    delete,
    evacuate,
    fixed_ips,
    interfaces,
    live_migrate,
    power,
    rebuild,
    rescue,
    resize,
    resized,
    restore,
    shelve,
    snapshot,
    unshelve,
)
from nova_lite.workflows.desk import Desk

Ask = Callable[[Desk, ServerId], object]
COLUMNS = ("id", "state", "host", "shelved_image_id", "addresses")
POWER_STATES = {
    "active": "RUNNING",
    "stopped": "SHUTDOWN",
    "paused": "PAUSED",
    "suspended": "SUSPENDED",
    "soft-delete": "SHUTDOWN",
    "shelved": "SHUTDOWN",
    "rescued": "RUNNING",
    "resized": "RUNNING",
}
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


def _snapshot(desk: Desk, server_id: ServerId) -> None:
    order = snapshot.SnapshotOrder(server_id=server_id, name="copy")
    snapshot.accept_snapshot(desk, FakeImages(desk.database), CONTEXT, order)


def _back_up(desk: Desk, server_id: ServerId) -> None:
    order = snapshot.BackupOrder(server_id=server_id, name="copy", backup_type="daily", rotation=1)
    snapshot.accept_backup(desk, FakeImages(desk.database), CONTEXT, order)


def _shelve(desk: Desk, server_id: ServerId) -> None:
    shelve.accept(desk, FakeImages(desk.database), CONTEXT, server_id)


def _offload(desk: Desk, server_id: ServerId) -> None:
    shelve.accept_offload(desk, CONTEXT, server_id)


def _unshelve(desk: Desk, server_id: ServerId) -> None:
    unshelve.accept(desk, CONTEXT, server_id, unshelve.Place())


def _soft_delete(desk: Desk, server_id: ServerId) -> None:
    delete.accept(dataclasses.replace(desk, reclaim_s=3600), CONTEXT, server_id)


def _rescue(desk: Desk, server_id: ServerId) -> None:
    order = rescue.RescueOrder(image_id=ImageId(str(uuid.uuid4())), admin_pass="secret")
    rescue.accept_rescue(desk, CONTEXT, server_id, order)


def _unrescue(desk: Desk, server_id: ServerId) -> None:
    rescue.accept_unrescue(desk, CONTEXT, server_id)


def _rebuild(desk: Desk, server_id: ServerId) -> None:
    with desk.database.read() as tx:
        server = records.get(tx, server_id)
    rebuild.accept(desk, CONTEXT, rebuild.RebuildOrder(server=server, admin_pass="secret"))


def _change_password(desk: Desk, server_id: ServerId) -> None:
    ask_guest.accept_password(desk, CONTEXT, server_id, "another")


def _network_info(desk: Desk, server_id: ServerId) -> None:
    ask_guest.accept_network_info(desk, CONTEXT, server_id)


def _crash_dump(desk: Desk, server_id: ServerId) -> None:
    ask_guest.accept_crash_dump(desk, CONTEXT, server_id)


def _attach(desk: Desk, server_id: ServerId) -> None:
    interfaces.accept_attach(desk, Networks(desk.database), CONTEXT, server_id, RequestedNetwork())


def _detach(desk: Desk, server_id: ServerId) -> None:
    """Take the newest of several interfaces away."""
    port = Networks(desk.database).ports_of(server_id)[-1]
    interfaces.accept_detach(desk, CONTEXT, server_id, port.id)


def _add_address(desk: Desk, server_id: ServerId) -> None:
    network = Networks(desk.database)
    fixed_ips.accept_add(desk, network, CONTEXT, server_id, network.ports_of(server_id)[0].network_id)


def _remove_address(desk: Desk, server_id: ServerId) -> None:
    """Take the last address of the first port away."""
    network = Networks(desk.database)
    fixed_ips.accept_remove(desk, network, CONTEXT, server_id, network.ports_of(server_id)[0].fixed_ips[-1].ip_address)


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
    Load(workflow="snapshot", begins="active", ends="active", ask=_snapshot),
    Load(workflow="backup", begins="active", ends="active", ask=_back_up),
    Load(workflow="shelve", begins="active", ends="shelved", ask=_shelve),
    Load(workflow="shelve_offload", begins="shelved", ends="shelved_offloaded", ask=_offload, boots=0),
    Load(workflow="unshelve_in_place", begins="shelved", ends="active", boots=2, ask=_unshelve),
    Load(workflow="unshelve", begins="shelved_offloaded", ends="active", ask=_unshelve),
    Load(workflow="pause", begins="active", ends="paused", ask=lambda desk, one: power.accept_pause(desk, CONTEXT, one)),
    Load(workflow="unpause", begins="paused", ends="active", ask=lambda d, one: power.accept_unpause(d, CONTEXT, one)),
    Load(workflow="suspend", begins="active", ends="suspended", ask=lambda d, one: power.accept_suspend(d, CONTEXT, one)),
    Load(workflow="resume", begins="suspended", ends="active", ask=lambda d, one: power.accept_resume(d, CONTEXT, one)),
    Load(workflow="soft_delete", begins="active", ends="soft-delete", ask=_soft_delete),
    Load(workflow="restore", begins="soft-delete", ends="active", ask=lambda d, one: restore.accept(d, CONTEXT, one), boots=2),
    Load(workflow="rescue", begins="active", ends="rescued", boots=2, ask=_rescue),
    Load(workflow="unrescue", begins="rescued", ends="active", boots=3, ask=_unrescue),
    Load(workflow="rebuild", begins="active", ends="active", boots=2, ask=_rebuild),
    Load(workflow="change_password", begins="active", ends="active", ask=_change_password),
    Load(workflow="inject_network_info", begins="active", ends="active", ask=_network_info),
    Load(workflow="trigger_crash_dump", begins="active", ends="active", ask=_crash_dump),
    Load(workflow="attach_interface", begins="active", ends="active", ask=_attach),
    Load(workflow="detach_interface", begins="attached", ends="active", ask=_detach),
    Load(workflow="add_fixed_ip", begins="active", ends="active", ask=_add_address),
    Load(workflow="remove_fixed_ip", begins="addressed", ends="active", ask=_remove_address),
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
        for workflow, end in (
            ("stop", "stopped"),
            ("pause", "paused"),
            ("suspend", "suspended"),
            ("soft_delete", "soft-delete"),
            ("rescue", "rescued"),
            ("shelve", "shelved"),
        ):
            _go_on(shelf, "active", end, next(load for load in LOADS if load.workflow == workflow))
        _go_on(shelf, "active", "attached", next(load for load in LOADS if load.workflow == "attach_interface"))
        _go_on(shelf, "active", "addressed", next(load for load in LOADS if load.workflow == "add_fixed_ip"))
        _go_on(shelf, "active", "resized", next(load for load in LOADS if load.workflow == "migrate"))
        _go_on(shelf, "shelved", "shelved_offloaded", next(load for load in LOADS if load.workflow == "shelve_offload"))
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
        rows = tx.execute(sa.select(*(server_table.c[name] for name in COLUMNS))).all()
        claim = tables.claims.c
        claimed = Counter(tx.execute(sa.select(claim.server_id, claim.host).where(claim.role != "held")).tuples().all())
        held = set(tx.execute(sa.select(claim.server_id).where(claim.role == "held")).scalars())
        ports = Counter(tx.execute(sa.select(port_table.c.server_id, port_table.c.status)).tuples().all())
        addresses = Counter(tx.execute(sa.select(address_table.c.ip_address)).scalars())
        owed = tx.execute(sa.select(tables.tombstones)).all()
        assert journal.live(tx) == ()
        assert claims.differences(tx) == ()
        used = usage.used_by(tx, PROJECT)["instances"]
    assert Counter(row.state for row in rows) == ends
    living = [row for row in rows if row.state != "deleted"]
    here = [row for row in living if row.state != "shelved_offloaded"]
    expected = Counter((row.id, row.host, POWER_STATES[row.state]) for row in here)
    assert held == {row.id for row in here if row.state == "resized"}
    assert Counter(one for name in HOSTS for one in world.up[name].hypervisor.moves.held()) == Counter(held)
    assert guests(world) == expected
    assert claimed == Counter((row.id, row.host) for row in here)
    assert all(row.addresses for row in living)
    assert ports == Counter((row.id, "ACTIVE") for row in living for _ in {one["mac_address"] for one in row.addresses})
    assert addresses == Counter(one["ip_address"] for row in living for one in row.addresses)
    assert used == sum(row.state != "soft-delete" for row in living)
    assert not any(world.up[name].hypervisor.snapshots.held(row.id) for row in here for name in HOSTS if row.host == name)
    kept = {row.shelved_image_id for row in rows if row.state.startswith("shelved")}
    shelved = {image.id for image in FakeImages(world.database).all() if (image.name or "").endswith("-shelved")}
    assert shelved == kept
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
