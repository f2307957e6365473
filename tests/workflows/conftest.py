"""A database for each generated test, copied from an empty one."""

from __future__ import annotations

import pytest
from workflows import engine_harness


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    return engine_harness.make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def database(tmp_path, template):
    database = engine_harness.make_database(tmp_path, template)
    yield database
    database.dispose()
