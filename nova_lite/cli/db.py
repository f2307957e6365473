"""`nova-lite db`: the version of the database, and how to get to the next one."""

from __future__ import annotations

from pathlib import Path

import click

from nova_lite import errors
from nova_lite.cli.installation import Installation
from nova_lite.cli.show import json_option, show_json


@click.group()
def command() -> None:
    """The database: upgrade, version, check."""


@command.command()
@click.pass_obj
def upgrade(files: tuple[Path, ...]) -> None:
    """Bring the database to the version of this release, whole or not at all. May be repeated."""
    from nova_lite.db import migrate

    before, after = migrate.upgrade(Installation(files).database)
    click.echo(f"Version {after} already." if before == after else f"Upgraded from {before or 'nothing'} to {after}.")


@command.command()
@json_option
@click.pass_obj
def version(files: tuple[Path, ...], as_json: bool) -> None:
    """Show which version the database has, and which this release needs."""
    from nova_lite.db import version as versions

    with Installation(files).database.read() as tx:
        found = versions.current(tx)
    if as_json:
        show_json({"database": found, "release": versions.HEAD, "refusal": versions.refusal_of(found)})
    else:
        click.echo(f"database {found or 'empty'}, this release {versions.HEAD}")


@command.command()
@json_option
@click.pass_obj
def check(files: tuple[Path, ...], as_json: bool) -> None:
    """Compare the database with what this release describes; exit code 1 when they differ."""
    from nova_lite.db import migrate
    from nova_lite.db import version as versions

    database = Installation(files).database
    with database.read() as tx:
        refusal = versions.refusal_of(versions.current(tx))
    found = [refusal] if refusal else migrate.differences(database)
    if as_json:
        show_json({"differences": found})
    if found:
        raise errors.ConfigError("; ".join(found))
    if not as_json:
        click.echo("The database is what this release describes.")
