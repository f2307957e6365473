"""Adding a host: its record, its broker user, and the file with which it joins."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Sequence
from pathlib import Path

from nova_lite import errors
from nova_lite.cli.installation import Installation
from nova_lite.conf import broker as broker_conf
from nova_lite.inventory import hosts
from nova_lite.model.ids import HostName
from nova_lite.rpc import broker, join, signing


def add_host(installation: Installation, name: str, zone: str = "nova", *, broker_knows_it: bool = False) -> Path:
    """Add a host, or find it, and write its join file; give where that is. May be repeated; its password stays.

    `broker_knows_it` leaves the broker alone when the host has a join file: for who has just seen the broker well.
    """
    (path,) = add_hosts(installation, [name], zone, broker_knows_them=broker_knows_it)
    return path


def add_hosts(installation: Installation, names: Sequence[str], zone: str, *, broker_knows_them: bool = False) -> list[Path]:
    """Do the same for many hosts, with one call of the broker and one transaction."""
    options = broker_conf.read(installation.conf)
    paths = {name: join.default_path(installation.daemon.state_dir, name) for name in names}
    held = {name: _password(path) for name, path in paths.items()}
    passwords = {name: password or secrets.token_urlsafe(24) for name, password in held.items()}
    unknown = {name: passwords[name] for name in names if not broker_knows_them or held[name] is None}
    if unknown:
        broker.add_host_users(options, unknown)
    keys = installation.database.transact(lambda tx: {name: hosts.add_host(tx, HostName(name), zone=zone) for name in names})
    control = signing.public_text(signing.read_control_key(installation.keys_dir))
    for name, path in paths.items():
        join.JoinFile(
            host=name,
            broker_url=broker.host_url(options.url, name, passwords[name]),
            control_public_key=control,
            mac_key=keys[name],
            api_url=installation.public_url,
            zone=zone,
        ).write(path)
    return list(paths.values())


def _password(path: Path) -> str | None:
    """Give the broker password of a join file written before."""
    try:
        return broker.password_of(join.read(path).broker_url)
    except errors.ConfigError:
        return None


def set_up_broker(installation: Installation, ctl: broker.Ctl = broker.MACHINE) -> list[str]:
    """Set the broker up, with the users of all hosts whose join files lie here; give those hosts. May be repeated.

    A broker that lost all of its data knows each host again by the password that the host has: nothing is to be done there.
    Raises: ConfigError; Unavailable.
    """
    options = broker_conf.read(installation.conf)
    options = dataclasses.replace(options, url=broker.setup(options, ctl))
    files = join.default_path(installation.daemon.state_dir, "any").parent.glob("*.json")
    found = {path.stem: _password(path) for path in files}
    held = {name: password for name, password in found.items() if password}
    if held:
        broker.add_host_users(options, held, ctl=ctl)
    return sorted(held)


def remove_host(installation: Installation, name: str) -> None:
    """Forget a host, its broker user and its join file. Raises: NotFound; Conflict while it has servers."""
    installation.database.transact(lambda tx: hosts.remove_host(tx, HostName(name)))
    leave_broker(installation, name)


def leave_broker(installation: Installation, name: str, ctl: broker.Ctl = broker.MACHINE) -> None:
    """Take a host that was forgotten away from the broker, with its join file. May be repeated. Raises: Unavailable."""
    broker.remove_host_user(broker_conf.read(installation.conf), name, ctl=ctl)
    join.default_path(installation.daemon.state_dir, name).unlink(missing_ok=True)
