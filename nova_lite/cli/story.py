"""`nova-lite story`: what happened to a request, a server or an operation, over all daemons, in order."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nova_lite.cli.installation import Installation
from nova_lite.cli.show import json_option, moment, show_json

if TYPE_CHECKING:
    from nova_lite.workflows.story import Entry, Story

FORMAT = 1  # of the JSON document: fields are added, never changed


@click.command()
@click.argument("word", metavar="REQUEST|SERVER|OPERATION")
@json_option
@click.pass_obj
def command(files: tuple[Path, ...], word: str, as_json: bool) -> None:
    """Tell what happened to a request, a server or an operation, and what it waits for now."""
    from nova_lite.durable import story as kept
    from nova_lite.workflows.story import tell

    with Installation(files).database.read() as tx:
        stories = [tell(record) for record in kept.find(tx, word)]
    if as_json:
        show_json({"format": FORMAT, "asked": word, "operations": [dataclasses.asdict(story) for story in stories]})
        return
    click.echo("\n\n".join("\n".join(lines(story)) for story in stories))


def lines(story: Story) -> list[str]:
    """Write a story down for people."""
    totals = story.totals
    said = [f"{story.workflow} of {story.subject}", f"operation {story.operation}, {moment(story.began_at)} UTC"]
    for entry in story.entries:
        said += _lines_of(entry)
    if story.now is not None:
        said.append(f"now           {story.now.text}")
    images = f", {totals.image_bytes} bytes of image" if totals.image_bytes else ""
    said.append(
        f"in all        {totals.attempts} attempts of steps, {totals.commands} commands to hosts, {totals.reports} reports, "
        f"hosts worked {totals.host_worked_s:.2f} s{images}"
    )
    return said


def _lines_of(entry: Entry) -> list[str]:
    clock = datetime.datetime.fromtimestamp(entry.at, datetime.UTC).strftime("%H:%M:%S.%f")[:-3]
    return [f"{clock}  {entry.kind:<9} {entry.text}", *(f"{'':24}{detail}" for detail in entry.details)]
