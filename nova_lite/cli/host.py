"""`nova-lite host`: which machines run guests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nova_lite.cli.host_drain import condition, drain, show, undrain
from nova_lite.cli.installation import Installation
from nova_lite.cli.show import json_option, show_json, show_table
from nova_lite.model.host import Host
from nova_lite.model.ids import HostName
from nova_lite.model.resources import AMOUNTS


@click.group()
def command() -> None:
    """Compute hosts: add, list, show, drain, undrain, enable, disable, remove."""


for one in (drain, undrain, show):
    command.add_command(one)


@command.command()
@click.argument("name")
@click.option("--zone", default="nova", show_default=True, help="Availability zone of the host.")
@json_option
@click.pass_obj
def add(files: tuple[Path, ...], name: str, zone: str, as_json: bool) -> None:
    """Add a host, or find it, and write the file with which it joins. May be repeated."""
    from nova_lite.cli import joining

    path = joining.add_host(Installation(files), name, zone)
    if as_json:
        show_json({"host": name, "zone": zone, "join_file": str(path)})
        return
    click.echo(f"Host {name} may join with the file {path} (a secret). On the host:\n")
    click.echo(f"  install -D -m 600 {path.name} /etc/nova-lite/join.json && systemctl enable --now nova-lite-compute")


@command.command("list")
@json_option
@click.pass_obj
def list_hosts(files: tuple[Path, ...], as_json: bool) -> None:
    """List the hosts with what is used of them."""
    from nova_lite.inventory import hosts

    with Installation(files).database.read() as tx:
        found = hosts.list_hosts(tx)
    if as_json:
        show_json([_plain(host) for host in found])
        return
    columns = ("Name", "Zone", "State", "Type", "Servers", "VCPUs", "RAM MiB", "Disk GiB")
    rows = [
        (
            *(host.name, host.facts.zone, condition(host), host.facts.hypervisor_type, host.running),
            *(f"{used}/{limit}" for used, limit in _amounts(host).values()),
        )
        for host in found
    ]
    show_table("Hosts", columns, rows)


def _amounts(host: Host) -> dict[str, tuple[int, int]]:
    used, limit = host.used, host.limit
    return {
        "vcpus": (used.vcpus, limit.vcpus),
        "ram_mib": (used.ram_mib, limit.ram_mib),
        "disk_gib": (used.disk_gib, limit.disk_gib),
    }


def _plain(host: Host) -> dict[str, Any]:
    return {
        "name": host.name,
        "zone": host.facts.zone,
        "up": host.up,
        "enabled": host.enabled,
        "disabled_reason": host.disabled_reason,
        "maintenance": host.maintenance_since is not None,
        "short_of": host.facts.short_of or None,
        "set_aside": host.why_aside,
        "type": host.facts.hypervisor_type,
        "servers": host.running,
        "owes": host.tombstones,
        **{name: {"used": getattr(host.used, name), "limit": getattr(host.limit, name)} for name in AMOUNTS},
    }


@command.command()
@click.argument("name")
@click.pass_obj
def remove(files: tuple[Path, ...], name: str) -> None:
    """Forget a host that has no servers, with its broker user."""
    from nova_lite.cli import joining

    joining.remove_host(Installation(files), name)
    click.echo(f"Host {name} is forgotten.")


@command.command()
@click.argument("name")
@click.pass_obj
def enable(files: tuple[Path, ...], name: str) -> None:
    """Let a host take new servers, also one that was set aside after failed builds."""
    _set_enabled(files, name, enabled=True)


@command.command()
@click.argument("name")
@click.option("--reason", help="Shown in lists and in refusals.")
@click.pass_obj
def disable(files: tuple[Path, ...], name: str, reason: str | None) -> None:
    """Let a host take no new servers; those it has stay."""
    _set_enabled(files, name, enabled=False, reason=reason)


def _set_enabled(files: tuple[Path, ...], name: str, *, enabled: bool, reason: str | None = None) -> None:
    from nova_lite.inventory import hosts

    database = Installation(files).database
    database.transact(lambda tx: hosts.set_enabled(tx, HostName(name), enabled=enabled, reason=reason))
    click.echo(f"Host {name} is {'enabled' if enabled else 'disabled'}.")
