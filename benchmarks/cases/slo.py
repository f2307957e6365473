"""What operations spend of their budgets in slo.toml, on a cloud in one process: messages, statements, growth of memory."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2] / "tests"


def run(folder: Path) -> dict[str, tuple[float, str, str]]:
    """Count all that has a budget."""
    sys.path.insert(0, str(TESTS))
    from functional.cloud import running
    from functional.slo import PARTS, budgets, measure

    allowed = budgets()
    figures: dict[str, tuple[float, str, str]] = {}
    for part in PARTS:
        with running(folder / part, "h1", "h2", shelved_offload_s=-1) as cloud:
            for name, spent in measure(cloud, part).items():
                budget = allowed[name]
                figures[f"{name}, messages"] = (len(spent.messages), "", f"≤ {budget['messages']}")
                figures[f"{name}, statements"] = (len(spent.statements), "", f"≤ {budget['statements']}")
                growth = (spent.growth_kib, f"KiB after {budget['times']}", f"≤ {budget['growth_kib']}")
                figures[f"{name}, growth"] = growth
    return figures
