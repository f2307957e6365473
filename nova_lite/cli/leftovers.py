"""What a cloud leaves on its machine outside its own folders, and taking that away."""

from __future__ import annotations

import subprocess
from pathlib import Path

from nova_lite import errors
from nova_lite.cli import machine_services
from nova_lite.cli.footprint import Footprint
from nova_lite.cli.installation import Installation
from nova_lite.compute.wiring.host import HostWiring
from nova_lite.compute.wiring.notes import Notes
from nova_lite.compute.wiring.port import WiringError
from nova_lite.conf import broker as broker_conf
from nova_lite.conf import compute as compute_conf
from nova_lite.db.engine import Tx
from nova_lite.model.guest import PowerState
from nova_lite.model.ids import ServerId
from nova_lite.model.server import ServerState
from nova_lite.rpc import broker, join
from nova_lite.servers import records

FILES = "files"  # the footprint's kind for files that `up` wrote outside its own folders
CTL_S = 30
LINKS = Path("/sys/class/net")


def host_folders(installation: Installation) -> list[Path]:
    """List the folders of the hosts that this machine is, by name."""
    return sorted(path for path in (installation.daemon.state_dir / "compute").glob("*") if path.is_dir())


def remove_guests(installation: Installation, footprint: Footprint) -> int:
    """Destroy and forget this installation's guests in libvirt; their disks stay. Give how many there were.

    Their servers are booked as stopped, so that an owner can start them after the next `up`.
    """
    if compute_conf.read(installation.conf).driver != "libvirt" or not host_folders(installation):
        return 0
    from nova_lite.cli import guests_of_libvirt  # libvirt's library is an extra

    machine_services.ensure_libvirt(footprint)  # QEMU may run on without it
    removed = guests_of_libvirt.remove_all(installation)
    installation.database.transact(lambda tx: [_book_as_stopped(tx, server_id) for server_id in removed])
    return len(removed)


def _book_as_stopped(tx: Tx, server_id: ServerId) -> None:
    try:
        server = records.get(tx, server_id)
    except errors.NotFound:
        return
    if server.state is ServerState.ACTIVE and server.live is None:
        records.update(tx, server_id, state=ServerState.STOPPED, power_state=PowerState.SHUTDOWN)


def others_use_libvirt(installation: Installation) -> bool:
    """Whether guests run in libvirt that are not of this installation."""
    if compute_conf.read(installation.conf).driver != "libvirt":
        return True
    from nova_lite.cli import guests_of_libvirt

    return guests_of_libvirt.others_run(installation)


def remove_wiring(installation: Installation) -> int:
    """Remove the bridges, taps, processes and rules of this installation's networks; give how many there were.

    Raises: Unavailable when the machine's tools do not work.
    """
    try:
        found = [HostWiring(folder / "wiring").remove_all() for folder in host_folders(installation)]
    except WiringError as error:
        raise errors.Unavailable(f"The networks of this machine could not be removed. {error.message}") from error
    return sum(len(things) for things in found)


def list_stray_taps(installation: Installation) -> list[tuple[str, ServerId]]:
    """List taps of servers that this machine's hosts do not have, with the servers."""
    found = []
    for folder in host_folders(installation):
        known = {path.stem for path in (folder / "guests").glob("*.json")}
        notes = Notes(folder / "wiring")
        strays = [server_id for server_id in notes.servers() if server_id not in known]
        found += [(plugged.tap, server_id) for server_id in strays for plugged in notes.plugged(server_id)]
    return [(tap, server_id) for tap, server_id in found if (LINKS / tap).exists()]


def remove_from_broker(installation: Installation) -> int:
    """Remove virtual host and users from this machine's broker; give how many things there were."""
    if not broker_conf.read(installation.conf).url_file.exists():
        return 0  # the broker is somebody else's: its URL was given to us
    names = [join.read(path).host for path in sorted((installation.daemon.state_dir / "hosts").glob("*.json"))]
    users = (broker.USER, *map(broker.host_user, names))
    return _ctl("delete_vhost", broker.VHOST) + sum(_ctl("delete_user", name) for name in users)


def _ctl(*arguments: str) -> bool:
    """Call rabbitmqctl; give whether there was something to remove. Raises: Unavailable when the broker does not run."""
    command = ["/usr/sbin/rabbitmqctl", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=CTL_S, check=False, stdin=subprocess.DEVNULL)
    if done.returncode == 69:
        raise errors.Unavailable(
            "RabbitMQ does not run on this machine: its users cannot be removed. Start it, or leave --purge out."
        )
    return done.returncode == 0
