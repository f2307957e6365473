"""What the tests of compute share."""

from __future__ import annotations

import pytest
from unit.compute.stage import Stage


@pytest.fixture
def stage(tmp_path):
    built = Stage(tmp_path / "host")
    built.start()
    try:
        yield built
    finally:
        built.stop()
        built.conductor.transport.close()
