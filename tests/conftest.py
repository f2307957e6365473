"""What all tests share: the choice of what runs, and a word about what was left out."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="Also run what boots a container with systemd.")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--all"):
        return
    left_out = [item for item in items if item.get_closest_marker("systemd")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.getoption("--all"):
        return
    files = sorted(path for path in HERE.rglob("test_*.py") if "mark.systemd" in path.read_text(encoding="utf-8"))
    for path in files:
        terminalreporter.write_line(
            f"LEFT OUT {path.relative_to(HERE.parent)}: boots a container with systemd; ./run-tests --all"
        )
