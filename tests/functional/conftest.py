"""A cloud with two hosts for each test."""

from __future__ import annotations

import pytest
from functional.cloud import running


@pytest.fixture
def cloud(tmp_path):
    with running(tmp_path, "h1", "h2") as cloud:
        yield cloud
