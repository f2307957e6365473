"""How far a transfer has come: a bar with rate and time left on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Protocol

import click
from rich import filesize
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

LINE_EVERY_S = 5.0


class Meter(Protocol):
    """Shows one transfer."""

    def begin(self, total: int) -> None:
        """Show that so many bytes are to move."""

    def at(self, done: int) -> None:
        """Show that so many bytes are there; fewer than before when some were lost."""

    def note(self, text: str) -> None:
        """Tell something that happened."""

    def end(self) -> None:
        """Show no more. May be repeated."""


class Bar:
    """For a terminal."""

    def __init__(self, name: str, console: Console) -> None:
        """Nothing is shown yet."""
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(binary_units=True), TransferSpeedColumn())
        self._progress = Progress(*columns, TimeRemainingColumn(), console=console)
        self._task = self._progress.add_task(name, total=None)

    def begin(self, total: int) -> None:
        """Draw it."""
        self._progress.update(self._task, total=total)
        self._progress.start()

    def at(self, done: int) -> None:
        """Move it."""
        self._progress.update(self._task, completed=done)

    def note(self, text: str) -> None:
        """Write a line above it."""
        self._progress.console.print(text, markup=False, highlight=False)

    def end(self) -> None:
        """Leave it as it is."""
        self._progress.stop()


class Lines:
    """For logs and pipes, on standard error."""

    def __init__(self, name: str) -> None:
        """Nothing is shown yet."""
        self._name = name
        self._total = 0
        self._since = self._shown = time.monotonic()
        self._first: int | None = None

    def begin(self, total: int) -> None:
        """Remember the total."""
        self._total = total
        self._since = self._shown = time.monotonic()

    def at(self, done: int) -> None:
        """Write a line when the last one is some seconds old."""
        now = time.monotonic()
        if self._first is None or done < self._first:
            self._first, self._since = done, now
        if now - self._shown >= LINE_EVERY_S:
            self._shown = now
            self.note(self._told(done, (done - self._first) / max(now - self._since, 0.001)))

    def _told(self, done: int, rate: float) -> str:
        share = f"{100 * done // self._total} %" if self._total else "all"
        left = f", {(self._total - done) / rate:.0f} s left" if rate > 0 else ""
        return f"{self._name}: {share} of {filesize.decimal(self._total)}, {filesize.decimal(int(rate))}/s{left}"

    def note(self, text: str) -> None:
        """Write a line."""
        click.echo(text, err=True)

    def end(self) -> None:
        """Write nothing more."""


def make_meter(name: str) -> Meter:
    """Choose by what standard error is."""
    return Bar(name, Console(stderr=True)) if sys.stderr.isatty() else Lines(name)
