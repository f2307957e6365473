"""`nova-lite up`: the cloud on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from nova_lite.cli.installation import Installation, need_root
from nova_lite.cli.steps import Steps


@click.command()
@click.option("--simulate", type=click.IntRange(0, 10_000), default=0, help="Also so many hosts with a fake hypervisor.")
@click.option("--processes", is_flag=True, help="Each simulated host is a process of its own.")
@click.pass_obj
def command(files: tuple[Path, ...], simulate: int, processes: bool) -> None:
    """Start the cloud on this machine, or what of it is not running. May be repeated."""
    from nova_lite.cli import phases, simulation

    need_root("start the cloud")
    steps = Steps()
    installation = Installation(files)
    phases.Bringing(installation, steps).run(simulation.Plan(count=simulate, processes=processes))
    steps.console.print(f"\nThe cloud is up at [bold]{installation.public_url}[/bold]; look: nova-lite status")
    steps.console.print(f"[dim]Done in {steps.elapsed_s():.1f} s.[/dim]")
