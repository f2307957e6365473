"""What a cloud leaves on its machine outside its own folders, and taking that away."""

from __future__ import annotations

import subprocess

from nova_lite import errors
from nova_lite.cli.installation import Installation

FILES = "files"  # the footprint's kind for files that `up` wrote outside its own folders
CTL_S = 30


def remove_guests(installation: Installation) -> int:
    """Destroy and forget this installation's guests in libvirt; their disks stay. Give how many there were."""
    return 0


def others_use_libvirt() -> bool:
    """Whether libvirt has guests that run and are not ours."""
    return False


def remove_wiring(installation: Installation) -> int:
    """Remove the bridges, taps, namespaces, processes and rules of this installation's networks."""
    return 0


def remove_from_broker(installation: Installation) -> int:
    """Remove virtual host and users from this machine's broker; give how many things there were."""
    from nova_lite.conf import broker as broker_conf
    from nova_lite.rpc import broker, join

    if not broker_conf.read(installation.conf).url_file.exists():
        return 0  # the broker is somebody else's: its URL was given to us
    names = [join.read(path).host for path in sorted((installation.daemon.state_dir / "hosts").glob("*.json"))]
    commands = [
        ("delete_vhost", broker.VHOST),
        *(("delete_user", name) for name in (broker.USER, *map(broker.host_user, names))),
    ]
    return sum(_ctl(*command) for command in commands)


def _ctl(*arguments: str) -> bool:
    """Call rabbitmqctl; give whether there was something to remove. Raises: Unavailable when the broker does not run."""
    command = ["/usr/sbin/rabbitmqctl", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=CTL_S, check=False, stdin=subprocess.DEVNULL)
    if done.returncode == 69:
        raise errors.Unavailable(
            "RabbitMQ does not run on this machine: its users cannot be removed. Start it, or leave --purge out."
        )
    return done.returncode == 0
