"""How commands show things: tables for people, JSON for programs."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Sequence
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

json_option = click.option("--json", "as_json", is_flag=True, help="Show JSON instead of a table.")


def show_json(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2, default=str))


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], console: Console | None = None) -> None:
    """Print a table; values are shown as text, None as a dash."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        header_style="dim",
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for number, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*(_text(value) for value in row))
    (console or Console(highlight=False)).print(table)


def show_rows(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, as_json: bool) -> None:
    """Print rows in one of the two ways; in JSON each row is an object with the columns as keys."""
    if as_json:
        keys = [column.lower().replace(" ", "_") for column in columns]
        show_json([dict(zip(keys, row, strict=True)) for row in rows])
    else:
        show_table(title, columns, rows)


def moment(epoch_s: float | None) -> str | None:
    """Give a wall-clock time as text in UTC."""
    if epoch_s is None:
        return None
    return datetime.datetime.fromtimestamp(epoch_s, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S")


def coloured(text: str, colour: str) -> Text:
    """Give a cell with a colour."""
    return Text(text, style=colour)


def _text(value: Any) -> Text:
    """Make a cell; brackets in names and messages are no markup."""
    if isinstance(value, Text):
        return value
    if value is None or value == "":
        return Text("-")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    return Text(str(value))
