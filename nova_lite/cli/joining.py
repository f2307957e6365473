"""Adding a host: its record, its broker user, and the file with which it joins."""

from __future__ import annotations

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
    options = broker_conf.read(installation.conf)
    path = join.default_path(installation.daemon.state_dir, name)
    password = _password(path)
    if password is not None and broker_knows_it:
        url = broker.host_url(options.url, name, password)
    else:
        url = broker.add_host_user(options, name, password=password)
    key = installation.database.transact(lambda tx: hosts.add_host(tx, HostName(name), zone=zone))
    join.JoinFile(
        host=name,
        broker_url=url,
        control_public_key=signing.public_text(signing.read_control_key(installation.keys_dir)),
        mac_key=key,
        api_url=installation.public_url,
        zone=zone,
    ).write(path)
    return path


def _password(path: Path) -> str | None:
    """Give the broker password of a join file written before."""
    try:
        return broker.password_of(join.read(path).broker_url)
    except errors.ConfigError:
        return None


def remove_host(installation: Installation, name: str) -> None:
    """Forget a host, its broker user and its join file. Raises: NotFound; Conflict while it has servers."""
    installation.database.transact(lambda tx: hosts.remove_host(tx, HostName(name)))
    broker.remove_host_user(broker_conf.read(installation.conf), name)
    join.default_path(installation.daemon.state_dir, name).unlink(missing_ok=True)
