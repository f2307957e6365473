"""`nova-lite down`: stops the cloud and takes away what it made on this machine, and nothing else."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path

import click

from nova_lite.cli import clouds_file, leftovers, machine_services
from nova_lite.cli.footprint import Footprint
from nova_lite.cli.installation import Installation, need_root
from nova_lite.cli.keepers import keeper_of
from nova_lite.cli.steps import Note, Steps


@click.command()
@click.option(
    "--purge", is_flag=True, help="Also remove all data: servers' disks, images, the database, keys, logs, broker users."
)
@click.pass_obj
def command(files: tuple[Path, ...], purge: bool) -> None:
    """Stop the cloud and remove its processes, guests, bridges and taps from this machine. May be repeated."""
    need_root("stop the cloud")
    installation = Installation(files)
    steps = Steps()
    footprint = Footprint(installation.daemon.state_dir)
    with steps.step("Daemons stopped") as note:
        note.say(_count(keeper_of(installation).stop(), "daemon"))
    with steps.step("Guests removed from libvirt") as note:
        note.say(_count(leftovers.remove_guests(installation, footprint), "guest"))
    with steps.step("Bridges, taps, namespaces, rules removed") as note:
        note.say(_count(leftovers.remove_wiring(installation), "thing"))
    if purge:
        _purge(installation, footprint, steps)
    with steps.step("Services that were started for it") as note:
        stopped = machine_services.stop_started(
            footprint, others_use_libvirt=functools.partial(leftovers.others_use_libvirt, installation)
        )
        note.say(", ".join(stopped) or "none")
    if purge:
        with steps.step("Data removed") as note:
            _remove_data(installation, footprint, note)
    steps.console.print(f"[dim]Done in {steps.elapsed_s():.1f} s.[/dim]")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}" if number else "none"


def _purge(installation: Installation, footprint: Footprint, steps: Steps) -> None:
    with steps.step("Broker: virtual host and users removed") as note:
        note.say(_count(leftovers.remove_from_broker(installation), "thing"))
    with steps.step("clouds.yaml") as note:
        for name in footprint.names(clouds_file.KIND):
            note.say("entries removed" if clouds_file.remove(Path(name)) else "no entries")
            footprint.remove(clouds_file.KIND, name)


def _remove_data(installation: Installation, footprint: Footprint, note: Note) -> None:
    for name in footprint.names(leftovers.FILES):
        path = Path(name)
        if path.is_symlink() or path.is_file():
            path.unlink()
    options = installation.daemon
    for folder in (options.run_dir, options.log_dir, options.state_dir):
        shutil.rmtree(folder, ignore_errors=True)
    note.say(", ".join(str(folder) for folder in (options.state_dir, options.log_dir)))
