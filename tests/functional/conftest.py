"""A cloud with two hosts for each test, on each engine."""

from __future__ import annotations

import pytest
from functional.cloud import running
from real.databases import Kept

from nova_lite.db import migrate


@pytest.fixture(scope="session")
def kept_databases():
    """Give a function that gives an emptied database of a server: one of each engine is migrated once."""
    kept = {}

    def emptied(engine, server):
        if engine not in kept:
            kept[engine] = Kept(server.keep_database(), migrate.upgrade)
        return kept[engine].empty()

    return emptied


@pytest.fixture
def empty_database(engine, tmp_path, request):
    """The URL of a database without tables."""
    if engine == "sqlite":
        yield f"sqlite:///{tmp_path}/nova-lite.db"
        return
    with request.getfixturevalue(engine).database() as url:
        yield url


@pytest.fixture
def database_url(engine, tmp_path, request, kept_databases):
    """The URL of a database without rows."""
    if engine == "sqlite":
        return f"sqlite:///{tmp_path}/nova-lite.db"
    return kept_databases(engine, request.getfixturevalue(engine))


@pytest.fixture
def cloud(tmp_path, database_url):
    with running(tmp_path, "h1", "h2", url=database_url) as cloud:
        yield cloud
