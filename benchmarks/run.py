"""Times and rates on this machine: a table for people, JSON for machines.

    tox -e bench                       everything
    tox -e bench -- burst lists        some of it
    tox -e bench -- --json FILE        also write the figures there

Machines are shared and noisy: compare figures of one run, or of runs side by side.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
Figures = dict[str, tuple[Any, ...]]  # name -> (value, unit, aim), and the original's value where one was measured beside ours


def load(path: Path) -> Any:
    """Load a Python file that is in no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="which benchmarks; all without any")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    known: dict[str, Callable[[Path], Figures]] = {path.stem: load(path).run for path in sorted((HERE / "cases").glob("*.py"))}
    figures: Figures = {}
    for name in arguments.names or known:
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="nova-lite-bench-") as folder:
            figures |= {f"{name}: {key}": value for key, value in known[name](Path(folder)).items()}
        Console(stderr=True).print(f"[dim]{name}: {time.monotonic() - started:.0f} s[/dim]")
    show(figures)
    if arguments.json:
        names = ("value", "unit", "aim", "original")
        plain = {name: dict(zip(names, figure, strict=False)) for name, figure in figures.items()}
        arguments.json.write_text(json.dumps(plain, indent=2) + "\n")
    return 0


def show(figures: Figures) -> None:
    """Print the table."""
    beside = any(len(figure) > 3 for figure in figures.values())
    table = Table("figure", "value", "unit", *(("original", "times") if beside else ()), "aim")
    for name, (value, unit, aim, *other) in figures.items():
        row = [text_of(value), unit]
        if beside:
            row += [text_of(other[0]), times_of(value, other[0])] if other else ["", ""]
        table.add_row(name, *row, aim)
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def text_of(value: float) -> str:
    """Write a figure with as many decimals as say something."""
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def times_of(one: float, other: float) -> str:
    """Say how many times the smaller figure the greater is; whichever way is better is seen from what it is of."""
    least = min(one, other)
    return f"{max(one, other) / least:.1f} x" if least > 0 else ""


if __name__ == "__main__":
    sys.exit(main())
