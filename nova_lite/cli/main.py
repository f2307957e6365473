"""The operator's command. Its commands are loaded when they are called, so that it starts at once."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import click

from nova_lite import errors

# command -> where it is, and the line `nova-lite --help` shows
COMMANDS = {
    "up": ("nova_lite.cli.up", "Start the cloud on this machine, or what of it is not running."),
    "down": ("nova_lite.cli.down", "Stop the cloud and remove what it made on this machine."),
    "quickstart": ("nova_lite.cli.quickstart", "Start the cloud and boot a first server on it."),
    "status": ("nova_lite.cli.status", "Show daemons, hosts and servers at a glance."),
    "doctor": ("nova_lite.cli.doctor", "Look for what is wrong, and say what would help."),
    "identity": ("nova_lite.cli.identity", "Users and projects: rotate-keys, register in a Keystone, import from one."),
    "db": ("nova_lite.cli.db", "The database: upgrade, version, check."),
    "image": ("nova_lite.cli.image", "Images: usage."),
    "metadefs": ("nova_lite.cli.metadefs", "Metadata definitions of properties: load."),
    "host": ("nova_lite.cli.host", "Compute hosts: add, list, show, drain, undrain, enable, disable, remove."),
    "broker": ("nova_lite.cli.broker", "The message broker: setup, status."),
    "operation": ("nova_lite.cli.operation", "Long operations: list, show, cancel."),
    "story": ("nova_lite.cli.story", "Tell what happened to a request, a server or an operation."),
    "explain": ("nova_lite.cli.explain", "Say why a server got its host, or none, and what would help."),
    "policy": ("nova_lite.cli.policy", "Who may do what: list, check."),
    "config": ("nova_lite.cli.config", "Options: list, sample, reference."),
}
EXIT_CONFIG = 2


class Failure(click.ClickException):
    """One of our errors as the command line shows it: a sentence, and an exit code."""

    def __init__(self, error: errors.NovaLiteError) -> None:
        """ConfigError exits with 2, as a wrong option on the command line does; others with 1."""
        super().__init__(error.message)
        self.exit_code = EXIT_CONFIG if isinstance(error, errors.ConfigError) else 1


class Commands(click.Group):
    """A group that knows its commands' names without having loaded them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Load one command."""
        if name not in COMMANDS:
            return None
        found: click.Command = importlib.import_module(COMMANDS[name][0]).command
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show each command's line without loading it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; our errors become a sentence and an exit code."""
        try:
            return super().invoke(ctx)
        except errors.NovaLiteError as error:
            raise Failure(error) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config-file",
    "files",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Configuration to use instead of /etc/nova-lite/nova-lite.conf; may be given several times.",
)
@click.version_option(package_name="nova-lite")
@click.pass_context
def command(ctx: click.Context, files: tuple[Path, ...]) -> None:
    """A private cloud in one command that speaks OpenStack."""
    ctx.obj = files


def main() -> None:
    """Run the command."""
    command(prog_name="nova-lite")


if __name__ == "__main__":
    main()
