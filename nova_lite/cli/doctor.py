"""`nova-lite doctor`: what is wrong, and what would help; with `--repair` it does what can be done."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click
from rich.console import Console

from nova_lite import errors
from nova_lite.cli.findings import Check, Finding
from nova_lite.cli.installation import Installation
from nova_lite.cli.show import json_option, show_json


@click.command()
@json_option
@click.option("--repair", is_flag=True, help="Do what can be done about it, then look again.")
@click.pass_obj
def command(files: tuple[Path, ...], as_json: bool, repair: bool) -> None:
    """Look for what is wrong, and say what would help. Exit code 1 when something is (left)."""
    from nova_lite.cli.checks import CHECKS

    installation = Installation(files)
    console = Console(highlight=False)
    if repair:
        from nova_lite.cli import repairing

        repairing.repair(installation, console.print if not as_json else None)
    findings: list[Finding] = []
    for name, check in CHECKS.items():
        found = examine(name, check, installation)
        findings += found
        if not as_json:
            _show(console, name, found)
    if as_json:
        show_json([dataclasses.asdict(finding) for finding in findings])
    elif not findings:
        console.print("\nNothing is wrong.")
    raise SystemExit(1 if findings else 0)


def examine(name: str, check: Check, installation: Installation) -> list[Finding]:
    """Run one check; one that cannot be made is a finding too."""
    try:
        return list(check(installation))
    except errors.NovaLiteError as error:
        return [Finding(check=name, problem=f"could not be looked at: {error.message}", help="mend what is named first")]


def _show(console: Console, name: str, found: list[Finding]) -> None:
    console.print(f"  {'[red]✗[/red]' if found else '[green]✓[/green]'} {name}")
    for finding in found:
        console.print(f"      {finding.problem}", markup=False)
        console.print(f"      {finding.help}", style="dim", markup=False)
        if finding.repair:
            console.print(f"      --repair will: {finding.repair}", style="dim", markup=False)
