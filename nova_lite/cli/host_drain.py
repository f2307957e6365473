"""`nova-lite host drain`, `undrain`, `show`: a host is emptied before somebody works on it, and takes servers again after."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nova_lite.cli.installation import Installation
from nova_lite.cli.show import json_option, moment, show_json, show_table
from nova_lite.model.ids import HostName, ServerId

if TYPE_CHECKING:
    from nova_lite.db.engine import Tx
    from nova_lite.model.host import Host
    from nova_lite.workflows.drain import Drain, Guest, Standing

LOOK_S = 1.0
INTERRUPTED = 130


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wish:
    """What the operator said beside the host's name."""

    reason: str | None
    at_once: int
    cold: bool
    timeout_s: int
    as_json: bool


@click.command()
@click.argument("name")
@click.option("--reason", help="Shown in lists and in refusals.")
@click.option("--at-once", type=click.IntRange(1, 32), default=2, show_default=True, help="Move so many side by side.")
@click.option("--cold", is_flag=True, help="Move running servers turned off where they cannot move live.")
@click.option("--timeout", "timeout_s", type=click.IntRange(1), default=3600, show_default=True, help="Seconds to wait.")
@click.option("--dry-run", is_flag=True, help="Only say what would move where, and what would stay.")
@json_option
@click.pass_obj
def drain(files: tuple[Path, ...], name: str, dry_run: bool, **wished: Any) -> None:
    """Move all servers away from a host that is to be worked on. May be interrupted and called again.

    The host takes no new servers from then on, until `undrain`. Exit code 1 when servers are left there.
    """
    from nova_lite.conf import broker
    from nova_lite.workflows.desk import Desk
    from nova_lite.workflows.drain import Drain

    wish, installation, host = Wish(**wished), Installation(files), HostName(name)
    database = installation.database
    if dry_run:
        with database.read() as tx:
            foreseen = foresee(tx, host)
        _show_foreseen(name, foreseen, as_json=wish.as_json)
        raise SystemExit(1 if any(target is None for _, target in foreseen) else 0)
    # Conductors find the moves within a second, without a doorbell; they announce them as they do those of the API.
    database.announces = broker.read(installation.conf).notifications
    work = Drain(Desk(database=database, ring=lambda _: None), host, at_once=wish.at_once, cold=wish.cold)
    work.begin(wish.reason)
    try:
        standing = follow(work, wish.timeout_s, lambda line: click.echo(line, err=wish.as_json))
    except KeyboardInterrupt:
        click.echo(f"Interrupted. What moves goes on; call again to go on. Host {name} takes no new servers.", err=True)
        raise SystemExit(INTERRUPTED) from None
    _show_standing(name, standing, as_json=wish.as_json)
    raise SystemExit(1 if standing.guests else 0)


def follow(work: Drain, timeout_s: float, tell: Callable[[str], None], sleep: Callable[[float], None] = time.sleep) -> Standing:
    """Go on until nothing more can be done or the time is over; each change is told in a line."""
    until, told = time.monotonic() + timeout_s, dict[ServerId, str]()
    while True:
        standing = work.advance()
        lines = {guest.server.id: _line(guest) for guest in standing.guests}
        lines |= {server_id: f"{server_id}: is on {host}" for server_id, host in standing.moved.items()}
        for server_id, line in lines.items():
            if told.get(server_id) != line:
                tell(line)
        told |= lines
        if standing.over or time.monotonic() >= until:
            return standing
        sleep(LOOK_S)


def _line(guest: Guest) -> str:
    words = {"live": "will move live", "cold": "will move cold", "moves": "moves", "waits": "waits", "stays": "stays"}[
        guest.how
    ]
    words += f", {guest.percent} %" if guest.percent is not None else ""
    return f"{guest.server.id}: {words}{': ' + guest.why if guest.why else ''} ({guest.server.name})"


def foresee(tx: Tx, name: HostName) -> list[tuple[Guest, HostName | None]]:
    """Say of each server of a host where it would go, None for one that would stay. Raises: NotFound."""
    from nova_lite.inventory import hosts
    from nova_lite.scheduler.pick import pick
    from nova_lite.workflows import live_migrate
    from nova_lite.workflows.drain import How, look, placement_of

    crowd = {host.name: host for host in hosts.list_for_choice(tx)}
    foreseen: list[tuple[Guest, HostName | None]] = []
    for guest in look(tx, name):
        if guest.how not in (How.LIVE, How.COLD):
            foreseen.append((guest, None))
            continue
        request = placement_of(tx, guest.server)
        ranking = pick(request, list(crowd.values()))
        mine = crowd[name].facts
        able = [one for one in ranking.hosts if guest.how is How.COLD or live_migrate.can_go_on(mine, crowd[one].facts)]
        if able:
            crowd[able[0]] = _with(crowd[able[0]], request.asked)
            foreseen.append((guest, able[0]))
        else:
            why = "no host has a processor like its host's" if ranking.hosts else f"no host can take it: {ranking.sentence}"
            foreseen.append((dataclasses.replace(guest, how=How.STAYS, why=why), None))
    return foreseen


def _with(host: Host, asked: Any) -> Host:
    """Give a host as it will be with one more server."""
    sums = {field.name: getattr(host.used, field.name) + getattr(asked, field.name) for field in dataclasses.fields(asked)}
    return dataclasses.replace(host, used=dataclasses.replace(host.used, **sums))


def _plain(guest: Guest) -> dict[str, Any]:
    server = guest.server
    return {"server": server.id, "name": server.name, "state": server.state.value, "how": guest.how.value, "why": guest.why}


def _show_foreseen(name: str, foreseen: list[tuple[Guest, HostName | None]], *, as_json: bool) -> None:
    if as_json:
        show_json({"host": name, "servers": [_plain(guest) | {"to": target} for guest, target in foreseen]})
        return
    rows = [(guest.server.id, guest.server.name, guest.how.value, target, guest.why) for guest, target in foreseen]
    show_table(f"If {name} were drained now", ("Server", "Name", "How", "To", "Why"), rows)


def _show_standing(name: str, standing: Standing, *, as_json: bool) -> None:
    left = standing.guests
    if as_json:
        show_json({"host": name, "empty": not left, "moved": standing.moved, "left": [_plain(guest) for guest in left]})
        return
    if not left:
        click.echo(f"Host {name} is empty. When the work is done: nova-lite host undrain {name}")
        return
    rows = [(guest.server.id, guest.server.name, guest.server.state.value, guest.why or guest.how.value) for guest in left]
    show_table(f"Left on {name}", ("Server", "Name", "State", "Why"), rows)
    click.echo("Mend what is named and call drain again.")


@click.command()
@click.argument("name")
@click.pass_obj
def undrain(files: tuple[Path, ...], name: str) -> None:
    """End the maintenance of a host: it takes new servers again. Those that moved away stay where they are."""
    from nova_lite.inventory import hosts

    Installation(files).database.transact(lambda tx: hosts.set_enabled(tx, HostName(name), enabled=True))
    click.echo(f"Host {name} takes servers again.")


@click.command()
@click.argument("name")
@json_option
@click.pass_obj
def show(files: tuple[Path, ...], name: str, as_json: bool) -> None:
    """Show one host: its state, why it takes no servers, and what is on it."""
    from nova_lite.inventory import hosts
    from nova_lite.workflows.drain import look

    with Installation(files).database.read() as tx:
        host = hosts.get_host(tx, HostName(name))
        guests = look(tx, host.name)
    seen = None if host.last_seen_age_s is None else round(host.last_seen_age_s)
    fields = {
        "name": host.name,
        "zone": host.facts.zone,
        "up": host.up,
        "state": condition(host),
        "disabled_reason": host.disabled_reason,
        "maintenance_since": moment(host.maintenance_since),
        "forced_down": host.forced_down,
        "last_seen_s": seen,
        "set_aside": host.why_aside,
        "short_of": host.facts.short_of or None,
        "owes": host.tombstones,
    }
    if as_json:
        show_json({**fields, "servers": [_plain(guest) for guest in guests]})
        return
    show_table(f"Host {name}", ("Field", "Value"), [(key.replace("_", " "), value) for key, value in fields.items()])
    rows = [(guest.server.id, guest.server.name, guest.server.state.value, guest.why) for guest in guests]
    show_table("Servers", ("Server", "Name", "State", "A drain would leave it, because"), rows)


def condition(host: Host) -> str:
    """Say in a word or two whether a host works, takes servers and owes removals."""
    words = ["up" if host.up else "forced down" if host.forced_down else "down"]
    if host.maintenance_since is not None:
        words.append("maintenance" if host.running or any(vars(host.used).values()) else "maintenance (empty)")
    elif not host.enabled:
        words.append("disabled")
    words += [f"set aside ({host.why_aside})"] if host.why_aside else []
    words += [f"short of {host.facts.short_of}"] if host.facts.short_of else []
    words += [f"owes {host.tombstones}"] if host.tombstones else []
    return ", ".join(words)
