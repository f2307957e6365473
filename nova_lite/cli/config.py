"""`nova-lite config`: every option with its value and where that came from, and the documents made of them."""

from __future__ import annotations

import textwrap
from pathlib import Path

import click
from oslo_config import cfg, types

from nova_lite.cli.installation import Installation
from nova_lite.cli.show import json_option, show_rows
from nova_lite.conf import load

SAMPLE_HEAD = """# /etc/nova-lite/nova-lite.conf: made by `nova-lite config sample`. Every line is a default; an empty file is a
# complete configuration. OS_<GROUP>__<OPTION> in the environment overrides a file.
"""
REFERENCE_HEAD = """# Options

Made by `nova-lite config reference`. No option needs to be set. Options are read from
`/etc/nova-lite/nova-lite.conf` and from the environment (`OS_<GROUP>__<OPTION>`, which wins);
`nova-lite config list` shows every value and where it came from. An unknown name or a value out of range ends a daemon
at its start, with a message that names the option.
"""


@click.group()
def command() -> None:
    """Options: list, sample, reference."""


@command.command("list")
@json_option
@click.pass_obj
def list_options(files: tuple[Path, ...], as_json: bool) -> None:
    """Show every option with its value and where that came from."""
    settings = load.settings(Installation(files).conf)
    rows = [(setting.group, setting.name, setting.value, setting.source) for setting in settings]
    show_rows("Options", ("Group", "Option", "Value", "Source"), rows, as_json=as_json)


@command.command()
def sample() -> None:
    """Print a configuration file with every option commented out."""
    click.echo(SAMPLE_HEAD, nl=False)
    group = ""
    for name, option in load.options():
        if name != group:
            click.echo(f"\n[{name}]")
            group = name
        click.echo()
        for line in textwrap.wrap(f"{option.help} ({_kind(option)})", 110):
            click.echo(f"# {line}")
        click.echo(f"#{option.dest} = {_default(option)}")


@command.command()
def reference() -> None:
    """Print the page docs/operate/options.md."""
    click.echo(REFERENCE_HEAD, nl=False)
    group = ""
    for name, option in load.options():
        if name != group:
            click.echo(f"\n## [{name}]\n\n| option | type | default | what |\n|---|---|---|---|")
            group = name
        default = f"`{_default(option)}`" if _default(option) != "" else "-"
        click.echo(f"| `{option.dest}` | {_kind(option)} | {default} | {(option.help or '').replace('|', '&#124;')} |")


def _default(option: cfg.Opt) -> str:
    value = option.sample_default if option.sample_default is not None else option.default
    if isinstance(value, list | tuple):
        return ",".join(str(part) for part in value)
    return "" if value is None else str(value)


def _kind(option: cfg.Opt) -> str:
    """Give the type and the range in words."""
    kind = option.type
    if isinstance(kind, types.Boolean):
        return "yes or no"
    if isinstance(kind, types.Port):
        return "port"
    if isinstance(kind, types.Integer | types.Float):
        name = "whole number" if isinstance(kind, types.Integer) else "number"
        return f"{name}, {kind.min} to {kind.max}"
    if isinstance(kind, types.List):
        return "list with commas"
    if isinstance(kind, types.URI):
        return "URL"
    choices = getattr(kind, "choices", None)
    if choices:
        return "one of " + ", ".join(str(choice) for choice in choices)
    return "text"
