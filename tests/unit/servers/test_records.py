"""Servers: rows to and from the dataclass, pages and filters."""

from __future__ import annotations

import dataclasses
import uuid

import pytest

from nova_lite import errors
from nova_lite.clock import SimulatedClock
from nova_lite.db import schema
from nova_lite.db.engine import Database
from nova_lite.db.servers import Doing, ServerFilter, ServerPage, Showing
from nova_lite.durable import journal
from nova_lite.durable.workflow import Done, Outside, Workflow, seconds
from nova_lite.model.flavor import Flavor
from nova_lite.model.guest import SWAP, BlankDisk, InjectedFile, PowerState
from nova_lite.model.server import Fault, RequestedNetwork, Server, ServerAddress, ServerState, TaskState
from nova_lite.servers import records, states

FLAVOR = Flavor(id="1", name="m1.tiny", vcpus=1, ram_mib=128, disk_gib=1, extra_specs={"a": "b"})


@dataclasses.dataclass(frozen=True)
class Nothing:
    """Parameters of a workflow that needs none."""


@pytest.fixture
def database(tmp_path):
    made = Database(f"sqlite:///{tmp_path}/servers.db", SimulatedClock())
    schema.create_all(made)
    yield made
    made.dispose()


def server(number=0, **changes):
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
    }
    return Server(**{**fields, **changes})


def put(database, *servers):
    database.transact(lambda tx: [records.insert(tx, one) for one in servers])


def names(database, wanted=None, **page):
    with database.read() as tx:
        return [one.name for one in records.list_page(tx, wanted or ServerFilter(), ServerPage(**page))]


def make_live(database, server_id, workflow="boot", step="start_guest", *, delete_asked=False):
    steps = (Outside(step, lambda run: Done(), None, None, seconds(60)),)
    made = Workflow(name=workflow, version=1, params=Nothing, steps=steps)

    def work(tx):
        new = journal.NewOperation(workflow=made, subject_kind="server", subject_id=server_id, params=Nothing())
        operation = journal.accept(tx, new)
        if delete_asked:
            journal.send_signal(tx, operation, "delete", {})

    database.transact(work)


def test_a_server_comes_back_as_it_was_written(database):
    whole = server(
        description="d",
        power_state=PowerState.RUNNING,
        image_id=str(uuid.uuid4()),
        image_properties={"os": "x"},
        host="h1",
        requested_networks=(RequestedNetwork(network_id="n", fixed_ip="10.0.0.5"),),
        blank_disks=(BlankDisk(size_mib=1024), BlankDisk(size_mib=64, format=SWAP)),
        key_name="k",
        key_type="ssh",
        key_data="ssh-ed25519 AAAA",
        user_data="eA==",
        files=(InjectedFile(path="/etc/motd", contents="aGk="),),
        config_drive=True,
        metadata={"a": "ü"},
        tags=("x", "y"),
        locked=True,
        fault=Fault(code=500, message="m", details=None, created_at=1.0),
        addresses=(ServerAddress(network="n", ip_address="10.0.0.5", mac_address="fa:16:3e:00:00:01"),),
    )

    put(database, whole)

    with database.read() as tx:
        assert records.get(tx, whole.id) == whole


def test_update_takes_the_fields_of_a_server_and_moves_updated_at(database):
    put(database, server())

    database.transact(
        lambda tx: records.update(
            tx,
            server().id,
            state=ServerState.ERROR,
            metadata={"k": "v"},
            fault=Fault(code=500, message="m", details="d", created_at=2.0),
        )
    )

    with database.read() as tx:
        found = records.get(tx, server().id)
    assert (found.state, found.metadata, found.fault.details) == (ServerState.ERROR, {"k": "v"}, "d")
    assert found.updated_at == database.clock.wall()


def test_update_of_an_unknown_server_is_not_found(database):
    with pytest.raises(errors.NotFound):
        database.transact(lambda tx: records.update(tx, "nope", host=None))


@pytest.mark.parametrize(
    ("change", "asked"),
    [({}, {"project_id": "other"}), ({"state": ServerState.DELETED}, {})],
)
def test_another_projects_and_a_deleted_server_are_not_found(database, change, asked):
    put(database, server(**change))

    with database.read() as tx, pytest.raises(errors.NotFound):
        records.get(tx, server().id, **asked)


def test_a_deleted_server_can_be_asked_for(database):
    put(database, server(state=ServerState.DELETED))

    with database.read() as tx:
        assert records.get(tx, server().id, include_deleted=True).state is ServerState.DELETED


def test_pages_follow_each_other_without_gap_or_repeat_also_with_equal_times(database):
    put(database, *(server(number, created_at=1000.0 + number // 3) for number in range(10)))

    whole = names(database)
    marker, collected = None, []
    while page := names(database, limit=4, marker=marker):
        collected += page
        marker = server(int(page[-1].removeprefix("server-"))).id

    assert collected == whole
    assert whole[0] == "server-9"


@pytest.mark.parametrize("down", [True, False])
def test_pages_over_a_column_with_nulls_are_whole(database, down):
    put(database, *(server(number, launched_at=None if number % 2 else 5.0 + number) for number in range(6)))
    sort = (("launched_at", down), ("id", down))

    first = names(database, limit=4, sort=sort)
    rest = names(database, limit=4, sort=sort, marker=server(int(first[-1][-1])).id)

    assert sorted(first + rest) == [f"server-{number}" for number in range(6)]


def test_an_unknown_marker_is_not_found(database):
    with database.read() as tx, pytest.raises(errors.NotFound):
        records.list_page(tx, ServerFilter(), ServerPage(marker="nope"))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (ServerFilter(project_id="q"), ["c"]),
        (ServerFilter(deleted=True), ["gone"]),
        (ServerFilter(deleted=None, project_id="p"), ["a", "b", "gone"]),
        (ServerFilter(matching={"name": "^[ab]$"}), ["a", "b"]),
        (ServerFilter(matching={"name": "A"}), ["a"]),
        (ServerFilter(equal={"host": "h1"}), ["a"]),
        (ServerFilter(equal={"host": None}), ["b", "c"]),
        (ServerFilter(ip="10.0.0.1"), ["a", "b"]),
        (ServerFilter(ip="^10.0.0.1$"), ["a"]),
        (ServerFilter(changed_since=1001.0, deleted=None), ["b", "c", "gone"]),
        (ServerFilter(changed_before=1001.0), ["a", "b"]),
        (ServerFilter(tags_all=("x", "y")), ["b"]),
        (ServerFilter(tags_any=("x", "y")), ["a", "b"]),
        (ServerFilter(tags_not_all=("x", "y")), ["a", "c"]),
        (ServerFilter(tags_not_any=("y",)), ["a", "c"]),
        (ServerFilter(ids=(str(uuid.UUID(int=2)),)), ["b"]),
        (
            ServerFilter(showing=(Showing(state="active", not_doing=(Doing(workflow="reboot", step="reboot_guest"),)),)),
            ["a", "c"],
        ),
        (ServerFilter(showing=(Showing(state="active", doing=(Doing(workflow="reboot", step="reboot_guest"),)),)), ["b"]),
        (ServerFilter(showing=()), []),
        (ServerFilter(no_task=True), ["a", "c"]),
    ],
)
def test_filters(database, wanted, expected):
    address = ServerAddress(network="n", ip_address="10.0.0.1", mac_address="m")
    put(
        database,
        server(0, name="a", host="h1", addresses=(address,), tags=("x",)),
        server(1, name="b", addresses=(dataclasses.replace(address, ip_address="10.0.0.11"),), tags=("x", "y")),
        server(2, name="c", project_id="q"),
        server(3, name="gone", state=ServerState.DELETED),
    )
    make_live(database, server(1).id, "reboot", "reboot_guest")

    assert sorted(names(database, wanted)) == expected


def test_a_tag_with_wildcards_is_only_itself(database):
    put(database, server(0, tags=("a_b",)), server(1, tags=("axb",)))

    assert names(database, ServerFilter(tags_all=("a_b",))) == ["server-0"]


def test_the_live_operation_is_read_with_the_row(database):
    put(database, server(0, state=ServerState.BUILDING), server(1))
    make_live(database, server(0).id)

    with database.read() as tx:
        booting, idle = records.get(tx, server(0).id), records.get(tx, server(1).id)

    assert (booting.live.workflow, booting.live.step, booting.live.unwinding) == ("boot", "start_guest", False)
    assert idle.live is None


def test_a_delete_asked_during_a_boot_is_shown_as_deleting(database):
    put(database, server(0, state=ServerState.BUILDING))
    make_live(database, server(0).id, delete_asked=True)

    with database.read() as tx:
        shown = states.shown(records.get(tx, server(0).id), lambda workflow, step: "spawning")

    assert (shown.status, shown.task_state) == ("BUILD", TaskState.DELETING)


def test_a_list_reads_no_user_data_unless_asked(database):
    put(database, server(user_data="eA=="))

    with database.read() as tx:
        short = records.list_page(tx, ServerFilter(), ServerPage())
        long = records.list_page(tx, ServerFilter(), ServerPage(long_columns=True))

    assert (short[0].user_data, long[0].user_data) == (None, "eA==")
