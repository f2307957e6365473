"""Shows what is being done, step by step, with the time each step took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from nova_lite import errors

TITLE_WIDTH = 46


class Note:
    """What a step wants to be said behind its title."""

    def __init__(self, progress: Progress, title: str) -> None:
        """Made by `Steps.step` only."""
        self.text = ""
        self._progress = progress
        self._task = progress.add_task(title)
        self._title = title

    def say(self, text: str) -> None:
        """Show `text` behind the title, now and when the step is done."""
        self.text = text
        self._progress.update(self._task, description=f"{self._title} [dim]{text}[/dim]")


class Steps:
    """A list of steps on the terminal; finished ones stay, the running one has a clock."""

    def __init__(self, console: Console | None = None, *, began_before_s: float = 0.0) -> None:
        """Begin to count the time of all steps; `began_before_s` went by before."""
        self.console = console or Console(highlight=False)
        self.began = time.monotonic() - began_before_s

    @contextmanager
    def step(self, title: str) -> Iterator[Note]:
        """Show one step while the block runs. A failure is shown and raised on."""
        began = time.monotonic()
        columns = (TextColumn(" "), SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal) as progress:
            note = Note(progress, title)
            try:
                yield note
            except (errors.NovaLiteError, KeyboardInterrupt):
                progress.stop()
                self._line("[red]✗[/red]", title, note.text, began)
                raise
        self._line("[green]✓[/green]", title, note.text, began)

    def elapsed_s(self) -> float:
        """Give the seconds since the first step began."""
        return time.monotonic() - self.began

    def _line(self, sign: str, title: str, note: str, began: float) -> None:
        took = f"{time.monotonic() - began:6.1f} s"
        text = f"{title:<{TITLE_WIDTH}}" if not note else f"{title} [dim]{note}[/dim]"
        padding = " " * max(0, TITLE_WIDTH - len(title) - len(note) - 1) if note else ""
        self.console.print(f"  {sign} {text}{padding} [dim]{took}[/dim]", soft_wrap=True)
