"""A database for each generated test, empty: a copy of an SQLite file, or one of a server's with its rows deleted."""

from __future__ import annotations

import pytest
from real.databases import Kept
from workflows import engine_harness, servers

from nova_lite.clock import SimulatedClock
from nova_lite.db import schema
from nova_lite.db.engine import Database

# What a server's locks, isolation and types could change; `--whole` runs the rest there too.
CHOSEN = {
    "test_undisturbed_it_succeeds",
    "test_crash_at_each_point_resumes_to_the_same_end",
    "test_failure_at_each_step_leaves_a_clean_slate_or_ends_forward",
    "test_cancel_and_delete_between_the_reading_and_the_commit_of_each_step",
    "test_stolen_lease_records_nothing",
    "test_delete_waits_for_the_servers_children_to_end",
}


def pytest_collection_modifyitems(config, items):
    """Of the servers', run the chosen tests of the product's own workflows only, unless all were asked for."""
    if config.getoption("--whole"):
        return
    left_out = [item for item in items if is_on_a_server(item) and not is_chosen(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        gone = set(left_out)
        items[:] = [item for item in items if item not in gone]


def is_on_a_server(item):
    here = item.path.parent.name == "workflows"
    return (
        here and getattr(item, "callspec", None) is not None and item.callspec.params.get("engine") in ("postgres", "mariadb")
    )


def is_chosen(item):
    return item.originalname in CHOSEN and item.callspec.params.get("scenario", servers.SCENARIOS[0]) in servers.SCENARIOS


@pytest.fixture(scope="session")
def kept_database(tmp_path_factory):
    return engine_harness.KeptDatabase(tmp_path_factory.mktemp("database"))


@pytest.fixture(scope="session")
def kept_on_servers():
    """Give a function that gives an emptied database of a server, under a simulated clock."""
    kept = {}

    def emptied(engine, server):
        if engine not in kept:
            tables = Kept(server.keep_database(), schema.create_all)
            kept[engine] = tables, Database(tables.empty(), SimulatedClock(), own_time=True)
        tables, database = kept[engine]
        tables.empty()
        database.clock = SimulatedClock(boot="boot-1")
        return database

    return emptied


@pytest.fixture
def database(engine, request):
    if engine == "sqlite":
        return request.getfixturevalue("kept_database").empty()
    return request.getfixturevalue("kept_on_servers")(engine, request.getfixturevalue(engine))
