"""One cloud for all of the access test, and the list of what is still absent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from conformance import tables
from conformance.world import World

from nova_lite.conf.api import SERVICES

ASKED = ("T1", "T2")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("access"))
    yield made
    made.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which routes of the tables are absent; with -v, each of them."""
    terminalreporter.section("routes of tiers T1 and T2 that are still absent")
    for service in SERVICES:
        missing = tables.absent(service, ASKED)
        terminalreporter.write_line(f"{service}: {len(missing)}")
        if terminalreporter.config.getoption("verbose") > 0:
            for line in missing:
                terminalreporter.write_line(f"  {line.tier} {line.name}")
