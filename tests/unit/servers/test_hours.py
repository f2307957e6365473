"""Hours of servers in a period."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from nova_lite import errors
from nova_lite.db.engine import Database
from nova_lite.db.schema import create_all
from nova_lite.db.tables.servers import servers as table
from nova_lite.model.flavor import Flavor
from nova_lite.model.server import Server, ServerState
from nova_lite.servers import hours, records
from nova_lite.servers.hours import Period, Used

HOUR = 3600.0
DAY = Period(start=1000 * HOUR, stop=1024 * HOUR)


def used(start, end):
    return Used(
        server_id="s", name="s", project_id="p", state="active", flavor_name="f",
        vcpus=1, ram_mib=1, disk_gib=1, started_at=start * HOUR, ended_at=None if end is None else end * HOUR,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (900, None, 24.0),  # older than the period, and lives on
        (900, 1100, 24.0),
        (1001, None, 23.0),
        (1001, 1002.5, 1.5),
        (900, 1000, 0.0),  # ended as the period began
        (1024, None, 0.0),  # began as it ended
        (900, 950, 0.0),
    ],
)
def test_only_what_lies_in_the_period_counts(start, end, expected):
    assert used(start, end).hours_in(DAY) == expected


@pytest.fixture
def database(tmp_path):
    made = Database(f"sqlite:///{tmp_path / 'cloud.db'}")
    create_all(made)
    yield made
    made.dispose()


def add(database, server_id, project_id, **fields):
    flavor = Flavor(id="1", name="tiny", vcpus=2, ram_mib=64, disk_gib=3, ephemeral_gib=4)
    usual = {"state": ServerState.ACTIVE, "flavor": flavor, "name": server_id, "hostname": "h", "user_id": "u"}
    server = Server(id=server_id, project_id=project_id, **(usual | fields))
    database.transact(lambda tx: records.insert(tx, server))


@pytest.fixture
def lived(database):
    add(database, "b", "one", launched_at=1001 * HOUR)
    add(database, "a", "one", launched_at=900 * HOUR, terminated_at=1010 * HOUR, state=ServerState.DELETED)
    add(database, "c", "two", launched_at=1002 * HOUR)
    add(database, "never", "two", state=ServerState.ERROR)
    add(database, "before", "two", launched_at=1 * HOUR, terminated_at=2 * HOUR, state=ServerState.DELETED)
    add(database, "after", "two", launched_at=2000 * HOUR)
    return database


def test_deleted_servers_count_until_their_end_and_by_their_own_flavor(lived):
    with lived.read() as tx:
        found = hours.list_used(tx, DAY)

    assert [(one.server_id, one.hours_in(DAY)) for one in found] == [("a", 10.0), ("b", 23.0), ("c", 22.0)]
    assert (found[0].flavor_name, found[0].vcpus, found[0].disk_gib) == ("tiny", 2, 7)


def test_a_page_goes_on_behind_its_marker_through_projects(lived):
    with lived.read() as tx:
        first = hours.list_used(tx, DAY, limit=2)
        second = hours.list_used(tx, DAY, marker=first[-1].server_id, limit=2)

    assert [one.server_id for one in (*first, *second)] == ["a", "b", "c"]


def test_a_marker_that_is_no_server_is_not_found(lived):
    with lived.read() as tx, pytest.raises(errors.NotFound):
        hours.list_used(tx, DAY, marker="nothing")


def test_any_number_of_servers_takes_one_statement(lived):
    for number in range(20):
        add(lived, f"x{number}", "one", launched_at=1001 * HOUR)
    counted = []
    sa.event.listen(lived.engine, "before_cursor_execute", lambda *given: counted.append(given[2]))

    with lived.read() as tx:
        assert len(hours.list_used(tx, DAY)) == 23

    assert len([text for text in counted if table.name in text]) == 1
