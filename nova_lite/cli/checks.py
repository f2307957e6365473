"""The checks of `nova-lite doctor`. Each gives what it finds wrong; nothing for a sound part."""

from __future__ import annotations

from collections.abc import Iterator

from nova_lite.cli import leftovers
from nova_lite.cli.findings import Check, Finding
from nova_lite.cli.installation import Installation
from nova_lite.cli.keepers import keeper_of
from nova_lite.cli.machine_services import libvirt_runs
from nova_lite.conf import broker as broker_conf
from nova_lite.conf import compute as compute_conf
from nova_lite.db import migrate, overview, version
from nova_lite.durable import journal
from nova_lite.inventory import claims, hosts
from nova_lite.rpc.broker import broker_status
from nova_lite.servers import recount


def daemons(installation: Installation) -> Iterator[Finding]:
    """Each daemon of this machine runs."""
    running = keeper_of(installation).list_running()
    if not running:
        yield Finding(check="daemons", problem="No daemon of this cloud runs here.", help="nova-lite up")
    for one in running:
        if one.state != "running":
            yield Finding(check="daemons", problem=f"{one.name} is {one.state}. {one.detail}", help="nova-lite up; see its log")


def broker(installation: Installation) -> Iterator[Finding]:
    """The broker lets us in, somebody listens, and nothing piles up."""
    found = broker_status(broker_conf.read(installation.conf))
    if not found.well:
        yield Finding(check="broker", problem=found.problem or "unknown", help="nova-lite up, or: nova-lite broker setup")
    for queue, (waiting, receivers) in found.queues.items():
        if not receivers:
            yield Finding(check="broker", problem=f"Nobody receives from the queue {queue}.", help="nova-lite up")
        elif waiting > 1000:
            yield Finding(
                check="broker", problem=f"{waiting} messages wait in {queue}.", help="start more daemons of that kind"
            )


def database(installation: Installation) -> Iterator[Finding]:
    """The database has a version that we serve, and is what we describe."""
    with installation.database.read() as tx:
        refusal = version.refusal_of(version.current(tx))
    if refusal:
        yield Finding(check="database", problem=refusal, help="nova-lite db upgrade")
        return
    for difference in migrate.differences(installation.database):
        yield Finding(check="database", problem=f"The schema differs: {difference}.", help="restore it, or tell the developers")


def living_hosts(installation: Installation) -> Iterator[Finding]:
    """Each host gives signs of life and owes nothing."""
    with installation.database.read() as tx:
        found = hosts.list_hosts(tx)
    if not found:
        yield Finding(check="hosts", problem="No host has registered.", help="nova-lite host add NAME, or: nova-lite up")
    for host in found:
        if not host.up:
            age = "ever" if host.last_seen_age_s is None else f"for {host.last_seen_age_s:.0f} s"
            problem = f"Host {host.name} gave no sign of life {age}; {host.running} servers are there."
            yield Finding(check="hosts", problem=problem, help="look at nova-lite-compute there")
        if host.why_aside:
            remedy = f"mend what failed there, then: nova-lite host enable {host.name}"
            yield Finding(check="hosts", problem=f"Host {host.name}: {host.why_aside}.", help=remedy)
        if host.tombstones:
            problem = f"Host {host.name} owes {host.tombstones} removals; it gets no new servers before."
            yield Finding(check="hosts", problem=problem, help="start nova-lite-compute there, or remove the host")


def operations(installation: Installation) -> Iterator[Finding]:
    """No operation is late."""
    with installation.database.read() as tx:
        unserved, overdue = journal.unserved(tx), journal.overdue(tx)
    for one in unserved:
        problem = f"{one.workflow} of {one.subject_id} waits for a conductor for {one.late_s:.0f} s."
        yield Finding(check="operations", problem=problem, help="is nova-lite-conductor running?")
    for one in overdue:
        away = f"; {one.away} does not answer" if one.away else ""
        problem = f"{one.workflow} of {one.subject_id} is late by {one.late_s:.0f} s in step {one.step}{away}."
        yield Finding(check="operations", problem=problem, help=f"nova-lite operation show {one.id}")


def claim_books(installation: Installation) -> Iterator[Finding]:
    """What is claimed of hosts is what servers have."""
    with installation.database.read() as tx:
        differing = claims.differences(tx)
        ownerless = overview.claims_without_server(tx)
        homeless = overview.servers_without_claim(tx)
    repair = "a conductor mends it within five minutes"
    for host, used, claimed, _ in differing:
        yield Finding(check="claims", problem=f"Host {host}: {used} is booked, {claimed} is claimed.", help=repair)
    for server_id, place in ownerless:
        yield Finding(check="claims", problem=f"A claim on {place} for server {server_id}, which is gone.", help=repair)
    for server_id in homeless:
        yield Finding(check="claims", problem=f"Server {server_id} holds no claim on its host.", help="delete and rebuild it")


def quotas(installation: Installation) -> Iterator[Finding]:
    """What projects are charged is what they have."""
    for wrong in recount.find(installation.database):
        problem = f"Project {wrong.project_id} is charged {wrong.booked} {wrong.resource}, and has {wrong.counted}."
        yield Finding(check="quota", problem=problem, help="a conductor mends it within five minutes")


def ports(installation: Installation) -> Iterator[Finding]:
    """No port is left of a server that is gone."""
    with installation.database.read() as tx:
        for port_id in overview.ports_without_server(tx):
            yield Finding(check="ports", problem=f"Port {port_id} belongs to a server that is gone.", help="delete the port")


def guests(installation: Installation) -> Iterator[Finding]:
    """Each guest of this machine belongs to a server."""
    if compute_conf.read(installation.conf).driver != "libvirt" or not libvirt_runs():
        return
    from nova_lite.cli import guests_of_libvirt  # libvirt's library is an extra

    with installation.database.read() as tx:
        known = overview.server_ids_on(tx, installation.host)
    for server_id in set(guests_of_libvirt.list_ours(installation)) - known:
        problem = f"libvirt has a guest of server {server_id}, which is not on this host."
        yield Finding(check="guests", problem=problem, help="a finished move or delete removes it when nova-lite-compute runs")


def taps(installation: Installation) -> Iterator[Finding]:
    """No tap is left on this machine of a server that its host does not have."""
    for tap, server_id in leftovers.list_stray_taps(installation):
        problem = f"The tap {tap} is left of server {server_id}, which is not on this host."
        yield Finding(check="taps", problem=problem, help=f"ip link delete dev {tap}")


CHECKS: dict[str, Check] = {
    "daemons": daemons,
    "broker": broker,
    "database": database,
    "hosts": living_hosts,
    "operations": operations,
    "claims": claim_books,
    "quota": quotas,
    "ports": ports,
    "taps": taps,
    "guests": guests,
}
