"""A database for each generated test, copied from an empty one."""

from __future__ import annotations

import pytest
from workflows import engine_harness


@pytest.fixture(scope="session")
def kept_database(tmp_path_factory):
    return engine_harness.KeptDatabase(tmp_path_factory.mktemp("database"))


@pytest.fixture
def database(kept_database):
    return kept_database.empty()
