"""`nova-lite status`: daemons, hosts and servers at a glance."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from nova_lite import errors
from nova_lite.cli.host_drain import condition
from nova_lite.cli.installation import Installation
from nova_lite.cli.keepers import keeper_of
from nova_lite.cli.show import coloured, json_option, show_json, show_table


@click.command()
@json_option
@click.pass_obj
def command(files: tuple[Path, ...], as_json: bool) -> None:
    """Show daemons, hosts and servers at a glance. Exit code 1 when something that should run does not."""
    installation = Installation(files)
    found = gather(installation)
    if as_json:
        show_json(found)
    else:
        _show(found, Console(highlight=False))
    raise SystemExit(0 if found["well"] else 1)


def gather(installation: Installation) -> dict[str, Any]:
    """Collect what is shown: daemons, services, hosts, servers and operations by state."""
    daemons = [
        {"name": one.name, "state": one.state, "pid": one.pid, "since_s": one.since_s, "memory_mib": memory_mib(one.pid)}
        for one in keeper_of(installation).list_running()
    ]
    found: dict[str, Any] = {"url": installation.public_url, "identity": installation.auth_url, "daemons": daemons}
    try:
        found |= _from_database(installation)
    except errors.NovaLiteError as error:
        found |= {"database": error.message, "services": [], "hosts": [], "servers": {}, "operations": 0}
    found["well"] = (
        bool(daemons)
        and all(one["state"] == "running" for one in daemons)
        and found["database"] == "ok"
        and all(host["up"] for host in found["hosts"])
    )
    return found


def _from_database(installation: Installation) -> dict[str, Any]:
    from nova_lite.db import overview, version
    from nova_lite.inventory import hosts, services

    version.require(installation.database)
    with installation.database.read() as tx:
        return {
            "database": "ok",
            "services": [
                {"binary": one.binary, "host": one.host, "up": one.up, "enabled": one.enabled}
                for one in services.list_services(tx)
            ],
            "hosts": [_host(host) for host in hosts.list_hosts(tx)],
            "servers": overview.servers_by_state(tx),
            "operations": overview.live_operations(tx),
        }


def _host(host: Any) -> dict[str, Any]:
    return {
        "name": host.name,
        "up": host.up,
        "enabled": host.enabled,
        "state": condition(host),
        "disabled_reason": host.disabled_reason,
        "set_aside": host.why_aside,
        "type": host.facts.hypervisor_type,
        "zone": host.facts.zone,
        "servers": host.running,
        "vcpus": [host.used.vcpus, host.limit.vcpus],
        "ram_mib": [host.used.ram_mib, host.limit.ram_mib],
        "disk_gib": [host.used.disk_gib, host.limit.disk_gib],
        "pcpus": [host.used.pcpus, host.limit.pcpus],
        "pages_2m": [host.used.pages_2m, host.limit.pages_2m],
        "pages_1g": [host.used.pages_1g, host.limit.pages_1g],
    }


def memory_mib(pid: int | None) -> float | None:
    """Give a process's proportional share of memory, children included."""
    if pid is None:
        return None
    try:
        return round(sum(_pss_kib(one) for one in _family(pid)) / 1024, 1)
    except OSError:
        return None


def _pss_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def _family(pid: int) -> Iterable[int]:
    """Give a process and all that descend from it."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text(encoding="ascii").split():
            yield from _family(int(child))


def _show(found: dict[str, Any], console: Console) -> None:
    if not found["daemons"]:
        console.print("[yellow]No daemon of this cloud runs here.[/yellow] Start it with: nova-lite up")
    else:
        console.print(f"[bold]nova-lite[/bold] at {found['url']}, log in at {found['identity']}\n")
        rows = [
            (one["name"], _colour(one["state"]), one["pid"], _age(one["since_s"]), one["memory_mib"])
            for one in found["daemons"]
        ]
        show_table("Daemons", ("Name", "State", "Process", "For", "MiB"), rows, console)
    if found["database"] != "ok":
        console.print(f"[red]Database:[/red] {found['database']}")
        return
    rows = [
        (
            *(host["name"], _colour(host["state"]), host["type"], host["zone"], host["servers"]),
            *(f"{used}/{limit}" for used, limit in (host["vcpus"], host["ram_mib"], host["disk_gib"])),
        )
        for host in found["hosts"]
    ]
    show_table("Hosts", ("Name", "State", "Type", "Zone", "Servers", "VCPUs", "RAM MiB", "Disk GiB"), rows, console)
    for host in found["hosts"]:
        if host["set_aside"]:
            console.print(f"[yellow]{host['name']}:[/yellow] {escape(host['set_aside'])}")
        if host["disabled_reason"]:
            console.print(f"[yellow]{host['name']}:[/yellow] {escape(host['disabled_reason'])}")
    counts = ", ".join(f"{count} {state}" for state, count in found["servers"].items()) or "none"
    console.print(f"Servers: {counts}. Operations in hand: {found['operations']}.")


def _colour(state: str) -> Text:
    colours = {"running": "green", "up": "green", "starting": "yellow"}
    return coloured(state, colours.get(state, "yellow" if state.startswith("up,") else "red"))


def _age(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
