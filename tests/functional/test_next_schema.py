"""Two releases on one database: this one on the next step's schema, and the first one's statements on this one's."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from functional import schemas
from functional.cloud import running

from nova_lite.db import migrate, version
from nova_lite.db.engine import Database
from nova_lite.db.schema import metadata
from nova_lite.db.tables.journal import operations

EXAMPLES = {sa.Integer: 1, sa.Double: 1.5, sa.Boolean: True, sa.String: "x"}


@pytest.fixture
def expanded(tmp_path, empty_database):
    """A cloud of this release on a database that a later one has expanded."""
    with running(tmp_path, "h1", "h2", url=empty_database, schema=schemas.expand) as cloud:
        yield cloud


def test_a_later_steps_schema_is_served_from_boot_to_delete(expanded):
    cloud = expanded
    version.require(cloud.database)
    image = cloud.image()
    kept, gone = cloud.boot(image, "kept"), cloud.boot(image, "gone")
    for server_id in (kept, gone):
        cloud.wait_for(server_id, "ACTIVE")

    for action, status in (
        ({"os-stop": None}, "SHUTOFF"),
        ({"os-start": None}, "ACTIVE"),
        ({"reboot": {"type": "HARD"}}, "ACTIVE"),
    ):
        answer = cloud.ask("POST", f"/servers/{kept}/action", action)
        assert answer.status_code in (200, 202), answer.text
        cloud.wait_for(kept, status)
    assert cloud.ask("DELETE", f"/servers/{gone}").status_code == 204
    cloud.wait_gone(gone)

    listed = cloud.ask("GET", "/servers/detail").json["servers"]
    assert [(server["id"], server["status"]) for server in listed] == [(kept, "ACTIVE")]
    lists = (
        "/flavors/detail",
        "/os-hypervisors/detail",
        "/os-services",
        "/os-keypairs",
        f"/servers/{kept}/os-instance-actions",
    )
    assert {cloud.ask("GET", path, user="admin").status_code for path in lists} == {200}
    for path in ("/image/v2/images", "/network/v2.0/networks", "/network/v2.0/ports", "/identity/v3/projects"):
        assert cloud.client.simulate_get(path, headers=cloud.log_in("admin")).status_code == 200, path


def test_rows_written_here_have_the_later_releases_defaults(expanded):
    server_id = expanded.boot(expanded.image())
    expanded.wait_for(server_id, "ACTIVE")

    with expanded.database.read() as tx:
        query = sa.text("SELECT later_note, later_count FROM servers WHERE id = :id")
        assert tx.execute(query, {"id": server_id}).one() == (None, 7)


def test_an_operation_of_a_later_release_is_left_alone_and_its_own_fields_are_ignored(cloud):
    server_id = cloud.boot(cloud.image())
    cloud.wait_for(server_id, "ACTIVE")
    cloud.conductor.stop()
    assert cloud.ask("POST", f"/servers/{server_id}/action", {"os-stop": None}).status_code == 202
    mine = (operations.c.subject_id == server_id, operations.c.ended_at.is_(None))
    with cloud.database.read() as tx:
        row = tx.execute(sa.select(operations).where(*mine)).mappings().one()
    values = {name: {**row[name], "later": {"a": 1}} for name in ("params", "state")}
    values["results"] = {**row["results"], "later_step": {"kind": "Later", "value": {"a": 1}}}
    change = operations.update().where(operations.c.id == row["id"])
    cloud.database.transact(lambda tx: tx.execute(change.values(version=row["version"] + 1, **values)))

    conductor = cloud.new_conductor()
    conductor.start()
    try:
        other = cloud.boot(cloud.image(), "other")
        cloud.wait_for(other, "ACTIVE")  # the runner works, and has passed over the other one
        assert cloud.server(server_id)["OS-EXT-STS:task_state"] is not None

        cloud.database.transact(lambda tx: tx.execute(change.values(version=row["version"])))
        cloud.wait_for(server_id, "SHUTOFF")
    finally:
        conductor.stop()


# -- the release before --------------------------------------------------------------------------------------------------


def example(column):
    """Make a value that fits a column."""
    kind = column.type
    if type(kind).__name__ == "Json":
        return {"a": 1}
    found = next(value for base, value in EXAMPLES.items() if isinstance(kind, base))
    length = getattr(kind, "length", None)
    return (column.name * 20)[: min(length or 20, 20)] if isinstance(found, str) else found


def sorted_tables(tables):
    return [table for table in tables.sorted_tables if table.name in metadata().tables]


def test_the_first_releases_statements_work_on_this_ones_schema(empty_database):
    database = Database(empty_database)
    migrate.upgrade(database)
    tables = sorted_tables(schemas.first_tables())
    rows = {table: {column.name: example(column) for column in table.columns} for table in tables}
    for table in tables:
        for key in table.foreign_keys:
            rows[table][key.parent.name] = rows[key.column.table][key.column.name]

    def live_through(tx):
        for table in tables:
            tx.execute(table.insert(), rows[table])
            found = dict(tx.execute(sa.select(table)).mappings().one())
            assert found == {
                **rows[table],
                **{name: found[name] for name, column in table.columns.items() if not_whole(column)},
            }
            changed = next(column for column in reversed(list(table.columns)))
            assert tx.execute(table.update().values({changed.name: rows[table][changed.name]})).rowcount >= 0
        for table in reversed(tables):
            assert tx.execute(table.delete()).rowcount == 1

    assert len(tables) > 25
    database.transact(live_through)
    database.dispose()


def not_whole(column):
    """Whether a value may come back in another form."""
    return isinstance(column.type, sa.Numeric)


def test_no_table_or_column_of_the_first_release_is_gone():
    gone = [
        f"{table.name}.{column.name}"
        for table in schemas.first_tables().sorted_tables
        for column in table.columns
        if table.name not in metadata().tables or column.name not in {one.name for one in metadata().tables[table.name].columns}
    ]

    assert gone == []
