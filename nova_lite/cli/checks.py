"""The checks of `nova-lite doctor`. Each gives what it finds wrong; nothing for a sound part."""

from __future__ import annotations

from collections.abc import Iterator

from nova_lite import errors
from nova_lite.cli import leftovers, novnc, removed_hosts
from nova_lite.cli.findings import Check, Finding
from nova_lite.cli.installation import Installation
from nova_lite.cli.keepers import keeper_of
from nova_lite.cli.machine_services import libvirt_runs
from nova_lite.conductor.differences import library
from nova_lite.conf import broker as broker_conf
from nova_lite.conf import compute as compute_conf
from nova_lite.conf import image as image_conf
from nova_lite.db import migrate, overview, version
from nova_lite.identity import outside
from nova_lite.image.stores.base import Store
from nova_lite.image.stores.registry import make_stores
from nova_lite.inventory import hosts
from nova_lite.rpc.broker import broker_status


def daemons(installation: Installation) -> Iterator[Finding]:
    """Each daemon of this machine runs."""
    running = keeper_of(installation).list_running()
    if not running:
        yield Finding(check="daemons", problem="No daemon of this cloud runs here.", help="nova-lite up")
    for one in running:
        if one.state != "running":
            problem = f"{one.name} is {one.state}. {one.detail}"
            yield Finding(check="daemons", subject=one.name, problem=problem, help="nova-lite up; see its log")


def broker(installation: Installation) -> Iterator[Finding]:
    """The broker lets us in, somebody listens, and nothing piles up."""
    found = broker_status(broker_conf.read(installation.conf))
    if not found.well:
        yield Finding(check="broker", problem=found.problem or "unknown", help="nova-lite up, or: nova-lite broker setup")
    for queue, (waiting, receivers) in found.queues.items():
        if not receivers:
            yield Finding(
                check="broker", subject=queue, problem=f"Nobody receives from the queue {queue}.", help="nova-lite up"
            )
        elif waiting > 1000:
            problem = f"{waiting} messages wait in {queue}."
            yield Finding(check="broker", subject=queue, problem=problem, help="start more daemons of that kind")


def database(installation: Installation) -> Iterator[Finding]:
    """The database has a version that we serve, and is what we describe."""
    with installation.database.read() as tx:
        refusal = version.refusal_of(version.current(tx))
    if refusal:
        yield Finding(check="database", problem=refusal, help="nova-lite db upgrade")
        return
    for difference in migrate.differences(installation.database):
        yield Finding(check="database", problem=f"The schema differs: {difference}.", help="restore it, or tell the developers")


def keystone(installation: Installation) -> Iterator[Finding]:
    """The outside Keystone answers, lets the service user in and lets it check tokens, where it is used."""
    options = installation.identity.keystone
    if options is None:
        return
    remedy = "nova-lite identity register"
    if not options.password:
        yield Finding(check="identity", problem="The service user in Keystone has no password here.", help=remedy)
        return
    user = outside.of_service_user(options)
    try:
        if not user.roles() & {"service", "admin"}:
            problem = f"The user {options.user} has not the role service in {options.project}: it cannot check tokens."
            yield Finding(check="identity", subject=options.user, problem=problem, help=remedy)
    except errors.Unavailable as error:
        yield Finding(check="identity", problem=error.message, help="look at Keystone, and at [identity] auth_url")
    except (errors.Unauthorized, errors.Forbidden) as error:
        yield Finding(check="identity", subject=options.user, problem=error.message, help=remedy)


def living_hosts(installation: Installation) -> Iterator[Finding]:
    """Each host gives signs of life."""
    with installation.database.read() as tx:
        found = hosts.list_hosts(tx)
    if not found:
        yield Finding(check="hosts", problem="No host has registered.", help="nova-lite host add NAME, or: nova-lite up")
    for host in found:
        if not host.up:
            age = "ever" if host.last_seen_age_s is None else f"for {host.last_seen_age_s:.0f} s"
            problem = f"Host {host.name} gave no sign of life {age}; {host.running} servers are there."
            yield Finding(
                check="hosts",
                subject=host.name,
                problem=problem,
                help="look at nova-lite-compute and its log there: is it running, does its hypervisor answer?",
            )
        if host.up and host.facts.short_of:
            problem = f"Host {host.name} is short of {host.facts.short_of} and takes no new servers."
            yield Finding(
                check="hosts", subject=host.name, problem=problem, help="make room on its file system of guests' disks"
            )
        if host.why_aside:
            remedy = f"mend what failed there, then: nova-lite host enable {host.name}"
            yield Finding(check="hosts", subject=host.name, problem=f"Host {host.name}: {host.why_aside}.", help=remedy)


def guests(installation: Installation) -> Iterator[Finding]:
    """Each guest of this machine belongs to a server."""
    if compute_conf.read(installation.conf).driver != "libvirt" or not libvirt_runs():
        return
    from nova_lite.cli import guests_of_libvirt  # libvirt's library is an extra

    with installation.database.read() as tx:
        known = overview.server_ids_on(tx, installation.host)
    for server_id in set(guests_of_libvirt.list_ours(installation)) - known:
        problem = f"libvirt has a guest of server {server_id}, which is not on this host."
        help_ = "a finished move or delete removes it when nova-lite-compute runs"
        yield Finding(check="guests", subject=server_id, problem=problem, help=help_)


def consoles(installation: Installation) -> Iterator[Finding]:
    """The console daemon of this machine, where one runs, has what it shows screens with."""
    runs_here = any(one.name == "nova-lite-console" for one in keeper_of(installation).list_running())
    if runs_here and not novnc.is_there(installation.daemon.state_dir):
        problem = "noVNC is not here: VNC consoles show no picture. Serial ones work."
        yield Finding(check="consoles", problem=problem, help="nova-lite up, with Debian's package archive within reach")


def taps(installation: Installation) -> Iterator[Finding]:
    """No tap is left on this machine of a server that its host does not have."""
    for tap, server_id in leftovers.list_stray_taps(installation):
        problem = f"The tap {tap} is left of server {server_id}, which is not on this host."
        yield Finding(check="taps", subject=tap, problem=problem, help=f"ip link delete dev {tap}")


def store_of(installation: Installation) -> Store:
    """Give the image stores as one, as the control side's daemons here know them. Raises: ConfigError."""
    return make_stores(image_conf.read(installation.conf))


def differences(installation: Installation) -> Iterator[Finding]:
    """Books and truth agree; nothing is late."""
    with installation.database.read() as tx:
        if version.refusal_of(version.current(tx)):
            return  # said by the check of the database
    kinds = library.all_kinds(store_of(installation), projects_here=installation.identity.keystone is None)
    for _, one in library.find(installation.database, kinds):
        yield Finding(check=one.check, subject=one.subject, problem=one.problem, help=one.help, repair=one.repair)


CHECKS: dict[str, Check] = {
    "daemons": daemons,
    "broker": broker,
    removed_hosts.CHECK: removed_hosts.check,
    "database": database,
    "identity": keystone,
    "hosts": living_hosts,
    "consoles": consoles,
    "taps": taps,
    "guests": guests,
    "books": differences,
}
