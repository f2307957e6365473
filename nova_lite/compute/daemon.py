"""nova-lite-compute: runs guests on this host. With the fake driver one process may be many hosts."""

from __future__ import annotations

import argparse
import functools
import logging
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from oslo_config import cfg

from nova_lite import errors
from nova_lite.clock import SystemClock
from nova_lite.compute.address import own_address
from nova_lite.compute.boots import Boots
from nova_lite.compute.host import ComputeHost, Doors
from nova_lite.compute.moving.door import Door
from nova_lite.compute.moving.fetch import Fetching
from nova_lite.compute.relay import Relay
from nova_lite.compute.virt.driver import VirtDriver
from nova_lite.compute.virt.fake.driver import FakeDriver
from nova_lite.compute.virt.fetching import Fetcher
from nova_lite.conf import broker as broker_conf
from nova_lite.conf import compute as compute_conf
from nova_lite.conf import console as console_conf
from nova_lite.conf import daemon as daemon_conf
from nova_lite.conf import moves as moves_conf
from nova_lite.model.ids import HostName
from nova_lite.rpc import join
from nova_lite.rpc.signing import HostSigning
from nova_lite.rpc.transport import RabbitTransport
from nova_lite.runtime.daemon import run

LOG = logging.getLogger(__name__)
JOIN_FILE = Path("/etc/nova-lite/join.json")


class Compute:
    """The daemon: its hosts, side by side."""

    def __init__(self, hosts: Sequence[ComputeHost], door: Door | None = None) -> None:
        """`hosts` are started and stopped together; `door` is theirs, and opens with the first."""
        self._hosts = tuple(hosts)
        self._door = door

    def start(self) -> None:
        """Begin to serve."""
        _side_by_side([host.start for host in self._hosts])

    def stop(self) -> None:
        """End; guests keep running."""
        _side_by_side([host.stop for host in self._hosts])
        if self._door is not None:
            self._door.close()

    def alive(self) -> bool:
        """Whether every host is."""
        return all(host.alive() for host in self._hosts)


def build(conf: cfg.ConfigOpts, join_files: Sequence[Path] = ()) -> Compute:
    """Make the daemon with its real doors. Raises: ConfigError."""
    joins = [join.read(path) for path in join_files or [_default_join_file(conf)]]
    options = compute_conf.read(conf)
    if len(joins) > 1 and options.driver != "fake":
        raise errors.ConfigError("[compute] driver: only the fake one lets a process be several hosts.")
    door = _door(conf, options, joins[0].host)
    return Compute([_build_host(conf, one, door) for one in joins], door)


def main(argv: Sequence[str] | None = None) -> int:
    """Run until a signal comes; give the exit code. `--join FILE` may be given several times."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--join", type=Path, action="append", default=[], metavar="FILE")
    known, rest = parser.parse_known_args(sys.argv[1:] if argv is None else argv)
    return run("compute", functools.partial(build, join_files=known.join), rest)


def _default_join_file(conf: cfg.ConfigOpts) -> Path:
    """Find the file of this machine: where an operator put it, or where `nova-lite up` did."""
    if JOIN_FILE.exists():
        return JOIN_FILE
    return join.default_path(daemon_conf.read(conf).state_dir, socket.gethostname())


def _door(conf: cfg.ConfigOpts, options: compute_conf.ComputeOptions, host: str) -> Door:
    """Make the door of this process: one for all its hosts. Simulated ones take any port, since there may be others."""
    port = 0 if options.driver == "fake" else moves_conf.read(conf).door_port
    return Door(daemon_conf.read(conf).state_dir / "compute" / host, host, port=port)


def _build_host(conf: cfg.ConfigOpts, joined: join.JoinFile, door: Door) -> ComputeHost:
    folder = daemon_conf.read(conf).state_dir / "compute" / joined.host
    folder.mkdir(parents=True, exist_ok=True)
    signing = HostSigning(joined.host, joined.mac_key, joined.control_public_key)
    transport = RabbitTransport(joined.broker_url, signing=signing, connections=1, ca_file=broker_conf.read(conf).ca_file)
    return ComputeHost(
        Doors(
            host=HostName(joined.host),
            folder=folder,
            transport=transport,
            driver=_driver(conf, folder, joined),
            clock=SystemClock(),
            door=door,
            boots=Boots(folder, SystemClock().boot_id) if compute_conf.read(conf).resume_guests_state_on_host_boot else None,
            relay=Relay(own_address(joined.broker_url), console_conf.read(conf).host_port),
        )
    )


def _driver(conf: cfg.ConfigOpts, folder: Path, joined: join.JoinFile) -> VirtDriver:
    options = compute_conf.read(conf)
    fetcher = Fetcher(Fetching(rate_mib_s=moves_conf.read(conf).rate_mib_s))
    if options.driver == "fake":
        return FakeDriver(folder, HostName(joined.host), zone=joined.zone, fetching=fetcher.fetch)
    from nova_lite.compute.virt.libvirt.build import build as build_libvirt  # simulated hosts do without libvirt

    return build_libvirt(options, folder, joined, fetcher)


def _side_by_side(acts: Sequence[Callable[[], None]]) -> None:
    """Run each in a thread of its own: each may wait for its broker."""
    threads = [threading.Thread(target=act, daemon=True) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
