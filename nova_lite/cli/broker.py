"""`nova-lite broker`: RabbitMQ as this cloud needs it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from nova_lite import errors
from nova_lite.cli.installation import Installation, need_root
from nova_lite.cli.show import json_option, show_json, show_table
from nova_lite.conf import broker as broker_conf


@click.group()
def command() -> None:
    """The message broker: setup, status."""


@command.command()
@click.pass_obj
def setup(files: tuple[Path, ...]) -> None:
    """Make virtual host, users, queues and limits in this machine's RabbitMQ, those of the hosts too. May be repeated."""
    from nova_lite.cli import joining

    need_root("call rabbitmqctl")
    names = joining.set_up_broker(Installation(files))
    hosts = f" The hosts with a join file on this machine may log in: {', '.join(names)}." if names else ""
    click.echo(f"The broker is set up.{hosts}")


@command.command()
@json_option
@click.pass_obj
def status(files: tuple[Path, ...], as_json: bool) -> None:
    """Connect as the daemons do, and show the control side's queues. Exit code 1 when the broker cannot be used."""
    from nova_lite.rpc.broker import broker_status

    found = broker_status(broker_conf.read(Installation(files).conf))
    if as_json:
        show_json(dataclasses.asdict(found))
    if not found.well:
        raise errors.Unavailable(found.problem)
    if not as_json:
        rows = [(name, waiting, receivers) for name, (waiting, receivers) in found.queues.items()]
        show_table(f"RabbitMQ {found.version}", ("Queue", "Waiting", "Receivers"), rows)
