"""Differences of the books: claims, hosts' and projects' usage, ports, daemons, and guests that hosts see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nova_lite import errors
from nova_lite.conductor.differences.kind import Difference, Kind
from nova_lite.conductor.differences.operations import BY_ITSELF
from nova_lite.db import differences as queries
from nova_lite.db import hosts as host_queries
from nova_lite.db import networks
from nova_lite.db.engine import Tx
from nova_lite.inventory import claims, hosts, services
from nova_lite.model.flavor import Flavor
from nova_lite.model.hardware import reading
from nova_lite.model.ids import HostName, ServerId
from nova_lite.model.resources import Resources
from nova_lite.servers import recount

GONE_S = 86400.0  # a control daemon that was silent for so long does not come back


def _orphan_claims(tx: Tx) -> Iterator[Difference]:
    for row in host_queries.orphan_claims(tx):

        def mend(tx: Tx, row: Any = row) -> str | None:
            freed = claims.release_orphans(tx, ServerId(row["server_id"]))
            return "The claim was given back." if freed else None

        problem = f"A claim ({row['role']}) on {row['host']} for server {row['server_id']}, which does not own it."
        yield Difference(
            check="claims", subject=row["server_id"], problem=problem, help=BY_ITSELF, repair="give it back", mend=mend
        )


def _host_usage(tx: Tx) -> Iterator[Difference]:
    for found in claims.differences(tx):

        def mend(tx: Tx, found: Any = found) -> str | None:
            host, used, claimed, generation = found
            done = claims.mend_used(tx, host, claimed, generation)
            return f"What is booked was {used.in_words()} and is {claimed.in_words()}." if done else None

        host, used, claimed, _ = found
        problem = f"Host {host}: {used.in_words()} is booked, {claimed.in_words()} is claimed."
        yield Difference(
            check="claims", subject=host, problem=problem, help=BY_ITSELF, repair="book what is claimed", mend=mend
        )


def _servers_without_claim(tx: Tx) -> Iterator[Difference]:
    room = {host.name: host for host in hosts.list_hosts(tx)}
    for row in queries.servers_without_claim(tx):
        amount = reading.needs(Flavor(**row["flavor"]), row["image_properties"] or {})
        host = room.get(row["host"])
        problem = f"Server {row['id']} holds no claim on its host {row['host']}."
        if host is None or not amount.fits(host.used, host.limit) or not host.enabled or host.forced_down:
            help_ = f"{row['host']} has no room for it or takes no servers: move or delete a server there, or enable it"
            yield Difference(check="claims", subject=row["id"], problem=problem, help=help_)
            continue

        def mend(tx: Tx, row: Any = row, amount: Resources = amount) -> str | None:
            try:
                claims.claim(tx, HostName(row["host"]), ServerId(row["id"]), amount)
            except errors.NoRoom:
                return None
            return "It was claimed again."

        yield Difference(check="claims", subject=row["id"], problem=problem, help=BY_ITSELF, repair="claim it again", mend=mend)


def _quota(tx: Tx) -> Iterator[Difference]:
    for wrong in recount.find(tx):

        def mend(tx: Tx, project_id: str = wrong.project_id, resource: str = wrong.resource) -> str | None:
            mended = {one.resource: one for one in recount.mend(tx, project_id)}
            return f"{mended[resource].counted} is charged now." if resource in mended else None

        problem = f"Project {wrong.project_id} is charged {wrong.booked} {wrong.resource}, and has {wrong.counted}."
        subject = f"{wrong.project_id} {wrong.resource}"
        yield Difference(
            check="quota", subject=subject, problem=problem, help=BY_ITSELF, repair="charge what it has", mend=mend
        )


def _ports(tx: Tx) -> Iterator[Difference]:
    for row in queries.ports_without_server(tx):

        def mend(tx: Tx, row: Any = row) -> str | None:
            if row["owned_by_operation"] is not None:
                return "The port was deleted." if networks.delete_port(tx, row["id"]) else None
            networks.free_server_ports(tx, row["server_id"], tx.database.clock.wall())
            return "The port is free again."

        repair = "delete it" if row["owned_by_operation"] is not None else "give it back to its owner"
        problem = f"Port {row['id']} belongs to server {row['server_id']}, which is gone."
        yield Difference(check="ports", subject=row["id"], problem=problem, help=BY_ITSELF, repair=repair, mend=mend)


def _old_services(tx: Tx) -> Iterator[Difference]:
    for row in queries.old_services(tx, tx.database.clock.wall() - GONE_S):

        def mend(tx: Tx, row: Any = row) -> str | None:
            services.forget(tx, row["uuid"])
            return "It was struck off the list of services."

        problem = f"{row['binary']} on {row['host']} gave no sign of life for more than a day."
        yield Difference(
            check="services", subject=row["uuid"], problem=problem, help=BY_ITSELF, repair="strike it off the list", mend=mend
        )


def _tombstones(tx: Tx) -> Iterator[Difference]:
    for host in hosts.list_hosts(tx):
        if host.tombstones:
            problem = f"Host {host.name} owes {host.tombstones} removals; it gets no new servers before."
            help_ = "start nova-lite-compute there, or remove the host"
            yield Difference(check="hosts", subject=host.name, problem=problem, help=help_)


def _strangers(tx: Tx) -> Iterator[Difference]:
    for row in queries.select_strangers(tx):
        problem = f"Host {row['host']} has a guest {row['server_id']} that belongs to no server there."
        help_ = "look at it on that host; nova_lite never removes a guest that it does not know"
        yield Difference(check="guests", subject=row["server_id"], problem=problem, help=help_)


def _missing_guests(tx: Tx) -> Iterator[Difference]:
    up = {host.name for host in hosts.list_hosts(tx) if host.up}
    for row in queries.missing_guests(tx):
        if row["host"] in up:
            problem = f"Host {row['host']} has no guest of server {row['id']}."
            help_ = "bring the host's disk back, or delete the server; it is not made anew, since its data would be lost"
            yield Difference(check="guests", subject=row["id"], problem=problem, help=help_)


def _crashed_guests(tx: Tx) -> Iterator[Difference]:
    for row in queries.crashed_guests(tx):
        problem = f"The guest of server {row['id']} crashed on host {row['host']}; it is shown as off."
        help_ = "read its console's log there, or `openstack console log show`; whoever wants it starts it"
        yield Difference(check="guests", subject=row["id"], problem=problem, help=help_)


KINDS = (
    Kind(name="orphan_claim", meaning="room on a host that no server owns", find=_orphan_claims, repair="give it back"),
    Kind(
        name="host_usage", meaning="a host's booked use is not what is claimed", find=_host_usage, repair="book what is claimed"
    ),
    Kind(
        name="unclaimed_server",
        meaning="a server that holds no room on its host",
        find=_servers_without_claim,
        repair="claim it again if there is room",
    ),
    Kind(name="quota", meaning="a project's charge is not what it has", find=_quota, repair="charge what it has"),
    Kind(
        name="port_of_nobody",
        meaning="a port of a server that is gone",
        find=_ports,
        repair="delete it; a user's own port is given back",
    ),
    Kind(
        name="old_service",
        meaning="a control daemon silent for more than a day",
        find=_old_services,
        repair="strike it off the list of services",
    ),
    Kind(name="tombstone", meaning="a host that owes removals", find=_tombstones, repair=None),
    Kind(name="stranger", meaning="a guest that belongs to no server of its host", find=_strangers, repair=None),
    Kind(name="missing_guest", meaning="a server whose host has no such guest", find=_missing_guests, repair=None),
    Kind(name="crashed_guest", meaning="a server that is off because its guest crashed", find=_crashed_guests, repair=None),
)
