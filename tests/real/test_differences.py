"""Differences between books and truth on PostgreSQL and MariaDB: found, mended and written down as on SQLite."""

from __future__ import annotations

import uuid

from nova_lite.conductor.differences import library
from nova_lite.db import differences
from nova_lite.db.tables.inventory import claims, services
from nova_lite.db.tables.journal import operations, signals, subjects
from nova_lite.inventory import hosts
from nova_lite.model.flavor import Flavor
from nova_lite.model.resources import ClaimRole
from nova_lite.model.server import Server, ServerState
from nova_lite.quota import usage
from nova_lite.servers import records

FLAVOR = Flavor(id="1", name="m1.tiny", vcpus=1, ram_mib=128, disk_gib=1)


def new_server(tx, **changes):
    fields = {"id": str(uuid.uuid4()), "project_id": "p", "user_id": "u", "name": "s", "hostname": "s", "flavor": FLAVOR}
    records.insert(tx, Server(**fields | {"state": ServerState.ACTIVE} | changes))
    return fields["id"]


def new_operation(tx, server_id, **changes):
    there = {"workflow": "boot", "version": 1, "subject_kind": "server", "params": {}, "results": {}, "step": "choose_hosts"}
    told = {"state": {"started_at": 0}, "events": [], "started_at": 0, "wake_at": 1e12}
    operation_id = str(uuid.uuid4())
    tx.execute(operations.insert().values(id=operation_id, subject_id=server_id, **there | told | changes))
    return operation_id


def spoil(tx):
    """Craft what needs no host that runs."""
    hosts.add_host(tx, "h1")
    usage.reserve(tx, "p", {"instances": 1, "cores": 1, "ram": 1})
    stuck, closed, dead, parent, asleep, stray, asked = (new_server(tx) for _ in range(7))
    records.update(tx, stuck, state=ServerState.BUILDING)
    tx.execute(subjects.insert().values(kind="server", id=closed, closed=True, children=0, fence=1))
    tx.execute(subjects.insert().values(kind="server", id=dead, live_operation=str(uuid.uuid4()), fence=1))
    tx.execute(subjects.insert().values(kind="server", id=parent, children=3, fence=1))
    held = new_operation(tx, asleep, wake_at=None, held_by=str(uuid.uuid4()))
    tx.execute(subjects.insert().values(kind="server", id=asleep, live_operation=held, fence=1))
    new_operation(tx, stray)
    ended = new_operation(tx, asked, ended_at=1.0)
    tx.execute(signals.insert().values(operation_id=ended, seq=1, name="delete", body={}, created_at=0))
    gone = {"uuid": str(uuid.uuid4()), "number": 1, "binary": "nova-conductor", "host": "gone", "updated_at": 1.0}
    tx.execute(services.insert().values(**gone))
    tx.execute(
        claims.insert().values(
            server_id=str(uuid.uuid4()), role=ClaimRole.CURRENT.value, host="h1", created_at=0, vcpus=0, ram_mib=0, disk_gib=0
        )
    )


def test_differences_are_found_and_mended_on_each_engine(database):
    kinds = library.all_kinds(None)
    assert library.find(database, kinds) == []
    database.transact(spoil)

    found = library.find(database, kinds)
    mended = [kind.name for kind, one in found if library.mend(database, kind, one, by="a test")]

    names = {"stuck_server", "closed_subject", "dead_subject", "children", "stray_operation", "unread_delete", "old_service"}
    names |= {"forgotten_operation", "quota", "orphan_claim"}
    assert set(mended) == names
    assert not [one for kind, one in library.find(database, kinds) if kind.name in names]
    with database.read() as tx:
        assert {row["check_name"] for row in differences.select_repairs(tx, 100)} == names


def test_strangers_are_written_down_and_forgotten_on_each_engine(database):
    known, unknown = str(uuid.uuid4()), str(uuid.uuid4())

    def arrange(tx):
        hosts.add_host(tx, "h1")
        tx.execute(subjects.insert().values(kind="server", id=known, live_operation=str(uuid.uuid4()), fence=1))
        return differences.explained_guests(tx, "h1", [known, unknown], 0.0)

    explained = database.transact(arrange)
    for _ in range(2):
        database.transact(lambda tx: differences.replace_strangers(tx, "h1", [], [unknown], 5.0))
    with database.read() as tx:
        seen = [row["server_id"] for row in differences.select_strangers(tx, "h1")]
    database.transact(lambda tx: differences.replace_strangers(tx, "h1", [unknown], [], 6.0))

    assert explained == {known}
    assert seen == [unknown]
    with database.read() as tx:
        assert not differences.select_strangers(tx)
