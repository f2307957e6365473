"""What all tests share: the choice of what runs, and a word about what was left out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from real import ceph as ceph_servers
from real import databases

HERE = Path(__file__).parent
ONLY_WITH_ALL = {
    "systemd": "boots a container with systemd",
    "long": "takes minutes",
    "ceph": "needs a Ceph of its own",
    "swift": "boots Swift's own servers",
    "nfs": "boots a guest with an NFS server of its own",
}
MANY = 300  # tests of one file
LASTING = ("faults", "functional", "real")
ENGINES = {"sqlite": (), "postgres": (pytest.mark.postgres,), "mariadb": (pytest.mark.mariadb,)}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all",
        action="store_true",
        help="Also run what takes minutes, boots a container with systemd, or needs a Swift, a Ceph or an NFS server.",
    )
    parser.addoption(
        "--databases",
        default=os.environ.get("TEST_DATABASES", "sqlite"),
        help=f"What functional and workflow tests run on, with commas: {', '.join(ENGINES)}. Default: $TEST_DATABASES, or sqlite.",
    )
    parser.addoption(
        "--whole", action="store_true", help="Run every workflow test on each of --databases, not a choice of them."
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what stands on a database once on each engine."""
    if "engine" in metafunc.fixturenames:
        names = metafunc.config.getoption("--databases").split(",")
        if not set(names) <= set(ENGINES):
            raise pytest.UsageError(f"--databases: {', '.join(ENGINES)}, with commas")
        wanted = metafunc.definition.get_closest_marker("engines")
        names = [name for name in names if wanted is None or name in wanted.args]
        metafunc.parametrize("engine", [pytest.param(name, marks=ENGINES[name]) for name in names])


@pytest.fixture(scope="session")
def postgres() -> Iterator[databases.Server]:
    """A running PostgreSQL."""
    with databases.postgres() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[databases.Server]:
    """A running MariaDB."""
    with databases.mariadb() as server:
        yield server


@pytest.fixture(scope="session")
def ceph() -> Iterator[ceph_servers.Ceph]:
    """A running Ceph with a pool; a test that fills or pauses it mends it again."""
    why_not = ceph_servers.reason_against()
    if why_not:
        pytest.skip(why_not)
    cluster = ceph_servers.Ceph()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--all"):
        _leave_out(config, items)
    if config.getoption("dist", "no") == "loadfile" or hasattr(config, "workerinput"):
        _put_long_files_first(items)


def _put_long_files_first(items: list[pytest.Item]) -> None:
    """Begin with the files that take long: each is run by one process, and none should be left when the others are done."""
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)

    def rank(path: Path) -> tuple[bool, bool, int]:
        own = files[path]
        slow = any(item.get_closest_marker("slow") for item in own)
        lasting = len(own) > MANY or path.relative_to(HERE).parts[0] in LASTING
        return not slow, not lasting, -len(own)

    items[:] = [item for path in sorted(files, key=rank) for item in files[path]]


def _leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if any(item.get_closest_marker(name) for name in ONLY_WITH_ALL)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.getoption("--all"):
        return
    for path in sorted(HERE.rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        for why in (why for name, why in ONLY_WITH_ALL.items() if f"mark.{name}" in text):
            terminalreporter.write_line(f"LEFT OUT {path.relative_to(HERE.parent)}: {why}; ./run-tests --all")
