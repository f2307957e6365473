"""`nova-lite operation`: what the cloud is doing, step by step, and how it ended."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nova_lite.cli.installation import Installation
from nova_lite.cli.show import json_option, moment, show_json, show_table
from nova_lite.model.ids import OperationId

if TYPE_CHECKING:
    from nova_lite.durable.journal import OperationRow


@click.group()
def command() -> None:
    """Long operations: list, show, cancel."""


@command.command("list")
@click.option("--all", "ended_too", is_flag=True, help="Also those that have ended.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Show at most so many.")
@json_option
@click.pass_obj
def list_operations(files: tuple[Path, ...], ended_too: bool, limit: int, as_json: bool) -> None:
    """List the operations in hand."""
    from nova_lite.db import overview
    from nova_lite.durable import journal

    with Installation(files).database.read() as tx:
        found = (
            tuple(journal.operation(tx, OperationId(one)) for one in overview.newest_operations(tx, limit))
            if ended_too
            else journal.live(tx, limit)
        )
    if as_json:
        show_json([dataclasses.asdict(one) for one in found])
        return
    rows = [(one.id, f"{one.workflow} {one.subject_id[:8]}", _state(one), one.step, _clock(one.started_at)) for one in found]
    show_table("Operations", ("Id", "What", "State", "Step", "Began"), rows)


def _state(one: OperationRow) -> str:
    """Say how an operation fares; what does not answer is named."""
    if one.outcome is not None:
        return one.outcome
    words = "unwinding" if one.unwinding else "running"
    return f"{words}, waits for {one.away}" if one.away else words


def _clock(epoch_s: float) -> str:
    """Give the time of day, and the day unless it is today."""
    text, today = moment(epoch_s), moment(time.time())
    return text[11:] if text and today and text[:10] == today[:10] else str(text)


@command.command()
@click.argument("operation_id")
@json_option
@click.pass_obj
def show(files: tuple[Path, ...], operation_id: str, as_json: bool) -> None:
    """Show one operation: what it was asked, its steps with their times, and how it ended."""
    from nova_lite.durable import journal

    with Installation(files).database.read() as tx:
        one = journal.operation(tx, OperationId(operation_id))
        events = journal.events(tx, OperationId(operation_id))
    if as_json:
        show_json({"operation": dataclasses.asdict(one), "events": [dataclasses.asdict(event) for event in events]})
        return
    fields = [(name.replace("_", " "), value) for name, value in dataclasses.asdict(one).items() if not isinstance(value, dict)]
    timed = [(name, moment(value) if name.endswith(" at") and isinstance(value, float) else value) for name, value in fields]
    show_table(f"Operation {one.workflow}", ("Field", "Value"), timed)
    rows = [
        (
            *(event.step, "back" if event.unwinding else "forward", event.attempt, _clock(event.started_at)),
            *(_took(event), event.outcome, event.host, event.message),
        )
        for event in events
    ]
    show_table("Steps", ("Step", "Way", "Try", "Began", "Seconds", "Outcome", "Host", "Message"), rows)


def _took(event: Any) -> str | None:
    return None if event.ended_at is None else f"{event.ended_at - event.started_at:.2f}"


@command.command()
@click.argument("operation_id")
@click.pass_obj
def cancel(files: tuple[Path, ...], operation_id: str) -> None:
    """Ask an operation to unwind; one that is past its point of no return goes on to its end."""
    from nova_lite import errors
    from nova_lite.durable import journal

    database = Installation(files).database
    if not database.transact(lambda tx: journal.send_signal(tx, OperationId(operation_id), "cancel", {})):
        raise errors.Conflict(f"Operation {operation_id} has ended already, or never was.")
    click.echo(f"Operation {operation_id} is asked to unwind.")
