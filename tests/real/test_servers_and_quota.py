"""Servers, their lists and quota on PostgreSQL and MariaDB: what SQLite proves in unit tests, where engines differ."""

from __future__ import annotations

import threading
import uuid

import pytest

from nova_lite import errors
from nova_lite.context import Context
from nova_lite.db.servers import Doing, ServerFilter, ServerPage, Showing
from nova_lite.model.flavor import Flavor
from nova_lite.model.server import Server, ServerAddress, ServerState
from nova_lite.quota import usage
from nova_lite.servers import flavors, keypairs, records
from nova_lite.servers.flavors import FlavorQuery
from nova_lite.servers.keypairs import Keypair
from nova_lite.workflows import create
from nova_lite.workflows.desk import Desk

FLAVOR = Flavor(id="1", name="m1.tiny", vcpus=1, ram_mib=128, disk_gib=1)


def one(number=0, **changes):
    fields = {
        "id": str(uuid.UUID(int=number + 1)),
        "project_id": "p",
        "user_id": "u",
        "name": f"server-{number}",
        "hostname": f"server-{number}",
        "state": ServerState.ACTIVE,
        "flavor": FLAVOR,
        "created_at": 1000.0 + number,
        "updated_at": 1000.0 + number,
        "reservation_id": "r-1",
    }
    return Server(**{**fields, **changes})


def names(database, wanted, **page):
    with database.read() as tx:
        return [found.name for found in records.list_page(tx, wanted, ServerPage(**page))]


def test_fifty_servers_asked_at_once_never_exceed_the_quota(database):
    desk = Desk(database=database, ring=lambda operation_id: None)
    context = Context(request_id="req-1", user_id="u", project_id="p")
    outcomes = []

    def ask():
        order = create.CreateOrder(servers=(one(id=str(uuid.uuid4())),))
        try:
            create.accept(desk, context, order)
            outcomes.append("accepted")
        except errors.OverQuota:
            outcomes.append("refused")

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (outcomes.count("accepted"), outcomes.count("refused")) == (10, 40)
    assert len(names(database, ServerFilter(project_id="p"))) == 10
    with database.read() as tx:
        assert usage.used_by(tx, "p") == {"instances": 10, "cores": 10, "ram": 1280}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (ServerFilter(matching={"name": "^(a|b)$"}), ["a", "b"]),
        (ServerFilter(matching={"name": "a_c"}), ["a_c"]),
        (ServerFilter(ip="^10.0.0.1$"), ["a"]),
        (ServerFilter(ip="10.0.0"), ["a", "b"]),
        (ServerFilter(tags_all=("x",), tags_not_any=("y",)), ["a"]),
        (ServerFilter(equal={"config_drive": True}), ["b"]),
        (ServerFilter(showing=(Showing(state="active", not_doing=(Doing(workflow="w", step="s"),)),)), ["a", "a_c", "b"]),
        (ServerFilter(changed_since=1001.0, deleted=None), ["a_c", "b", "gone"]),
    ],
)
def test_filters_choose_the_same_on_every_engine(database, wanted, expected):
    address = ServerAddress(network="n", ip_address="10.0.0.1", mac_address="m")
    other = ServerAddress(network="n", ip_address="10.0.0.11", mac_address="m")
    servers = (
        one(0, name="a", addresses=(address,), tags=("x",)),
        one(1, name="b", addresses=(other,), tags=("x", "y"), config_drive=True),
        one(2, name="a_c"),
        one(3, name="gone", state=ServerState.DELETED),
    )
    database.transact(lambda tx: [records.insert(tx, server) for server in servers])

    assert sorted(names(database, wanted)) == expected


def test_a_bad_pattern_is_the_callers_mistake(database):
    with database.read() as tx, pytest.raises(errors.BadRequest):
        records.list_page(tx, ServerFilter(matching={"name": "(["}), ServerPage())


def test_pages_over_nulls_and_flags_are_whole(database):
    servers = [one(number, launched_at=None if number % 2 else 5.0, config_drive=number > 2) for number in range(6)]
    database.transact(lambda tx: [records.insert(tx, server) for server in servers])

    for key in ("launched_at", "config_drive", "task", "availability_zone"):
        sort = ((key, True), ("id", True))
        first = names(database, ServerFilter(), sort=sort, limit=4)
        marker = one(int(first[-1][-1])).id
        rest = names(database, ServerFilter(), sort=sort, marker=marker)
        assert sorted(first + rest) == [server.name for server in servers], key


def test_flavors_and_key_pairs_are_kept(database):
    flavors.bootstrap(database)
    flavors.bootstrap(database)
    keypair = Keypair(id=keypairs.new_id(), user_id="u", name="k", type="ssh", fingerprint="f", public_key="k", created_at=1.0)
    database.transact(lambda tx: keypairs.add(tx, keypair, limit=1))

    with database.read() as tx:
        assert [flavor.name for flavor in flavors.list_page(tx, FlavorQuery(sort=("memory_mb", True), limit=2))] == [
            "m1.xlarge",
            "m1.large",
        ]
        assert keypairs.get(tx, "u", "k") == keypair
    with pytest.raises(errors.Conflict):
        database.transact(lambda tx: keypairs.add(tx, keypair, limit=-1))
    with pytest.raises(errors.Conflict):
        database.transact(lambda tx: flavors.create(tx, FLAVOR))
