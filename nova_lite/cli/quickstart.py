"""`nova-lite quickstart`: the cloud, and a first server on it, until somebody could log in."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console
from rich.panel import Panel

from nova_lite.cli import clouds_file, first_server, keeping
from nova_lite.cli.cloud import Cloud
from nova_lite.cli.first_server import SERVER
from nova_lite.cli.guest_image import builder
from nova_lite.cli.installation import Installation, need_root
from nova_lite.cli.steps import Steps

CONSOLE_LINES = 6


@click.command()
@click.option("--client", type=click.Path(path_type=Path), help="The openstack command, to be found on the PATH afterwards.")
@click.option("--elapsed", type=float, default=0.0, hidden=True, help="Seconds that went by before this command.")
@click.pass_obj
def command(files: tuple[Path, ...], client: Path | None, elapsed: float) -> None:
    """Start the cloud and boot a first server on it. May be repeated; what is done is left alone."""
    from nova_lite.cli import phases, simulation

    need_root("start the cloud")
    steps = Steps(began_before_s=elapsed)
    installation = Installation(files)
    bringing = phases.Bringing(installation, steps)
    bringing.run(simulation.Plan())
    commands = {"nova-lite": Path(sys.prefix) / "bin/nova-lite"}
    if client is not None:
        commands["openstack"] = client
    phases.link_commands(bringing.footprint, commands)
    if installation.identity.keystone is not None:
        steps.console.print(f"\nThe cloud is up at [bold]{installation.public_url}[/bold]. Its users are Keystone's, at")
        steps.console.print(f"[bold]{installation.auth_url}[/bold]: boot a first server as one of them.")
        return
    server, console_text = _boot(installation, steps)
    _tell(steps, installation, server, console_text)


def _boot(installation: Installation, steps: Steps) -> tuple[dict[str, object], str]:
    passwords = keeping.passwords(installation.keys_dir)
    entries = clouds_file.entries(installation.auth_url, installation.identity.region, passwords)
    admin, member = Cloud(entries[clouds_file.ADMIN]), Cloud(entries[clouds_file.MEMBER])
    with steps.step("Tiny guest image, from Debian packages") as note:
        guest = builder.ensure()
        note.say(f"{guest.disk.stat().st_size / 1e6:.1f} MB")
    with steps.step("Image uploaded") as note:
        image_id = first_server.ensure_image(admin, guest)
        note.say(first_server.IMAGE)
    with steps.step("Key pair") as note:
        key_name = first_server.ensure_key(member, private_key(installation))
        note.say(key_name)
    with steps.step(f"Server {SERVER}") as note:
        server = first_server.ensure_server(member, image_id, key_name, note.say)
    with steps.step("Login prompt on its console") as note:
        text = first_server.wait_for_login(member, str(server["id"]), note.say)
        note.say("there")
    return server, text


def private_key(installation: Installation) -> Path:
    """Give where the first key pair's private half is."""
    return installation.keys_dir / "first-server"


def _tell(steps: Steps, installation: Installation, server: dict[str, object], console_text: str) -> None:
    console: Console = steps.console
    lines = [line for line in console_text.splitlines() if line.strip()][-CONSOLE_LINES:]
    console.print()
    console.print(Panel("\n".join(lines), title=f"console of {SERVER}", title_align="left", border_style="green"), markup=False)
    address = next(iter(first_server.addresses(server)), "none")
    console.print(f"\n[bold]{SERVER}[/bold] has the address [bold]{address}[/bold]. Try next:\n")
    for line in (
        f"openstack --os-cloud {clouds_file.MEMBER} server list",
        f"openstack --os-cloud {clouds_file.MEMBER} console log show {SERVER}",
        f"openstack --os-cloud {clouds_file.MEMBER} server create --image {first_server.IMAGE} --flavor m1.tiny --network "
        f"{next(iter(dict(server['addresses'])), 'auto')} --wait second",  # type: ignore[call-overload]
    ):
        console.print(f"  [cyan]{line}[/cyan]", soft_wrap=True)
    console.print(
        f"\nLog in: [cyan]ssh -i {private_key(installation)} cirros@{address}[/cyan]. Look: [cyan]nova-lite status[/cyan]. "
        f"Take away: [cyan]nova-lite down[/cyan].",
        soft_wrap=True,
    )
    console.print(f"[dim]Done in {steps.elapsed_s():.1f} s.[/dim]")
