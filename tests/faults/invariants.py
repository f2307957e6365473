"""What must hold after every run: looked up in the database, on every host and in the broker, apart from the code under test."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from nova_lite.db.types import METADATA
from nova_lite.model.guest import PowerState

T = METADATA.tables
POWER = {"active": PowerState.RUNNING, "stopped": PowerState.SHUTDOWN}


@dataclasses.dataclass(frozen=True)
class Seen:
    """Everything there is, read at one moment."""

    servers: dict[str, Any]
    guests: dict[str, list[tuple[str, int]]]
    claims: dict[str, list[str]]
    ports: collections.Counter[str]
    living: int
    owed: int
    instances_used: int
    hosts: list[Any]
    claimed: dict[str, tuple[int, int]]


def look(cloud: Any) -> Seen:
    """Read the database and every hypervisor."""
    guests = cloud.guests()
    with cloud.database.engine.connect() as connection:
        run = connection.execute
        owners = T["ports"].c.server_id
        sums = sa.select(T["claims"].c.host, sa.func.sum(T["claims"].c.vcpus), sa.func.sum(T["claims"].c.ram_mib))
        instances = sa.select(sa.func.sum(T["quota_usage"].c.used)).where(T["quota_usage"].c.resource == "instances")
        claims: dict[str, list[str]] = {}
        for server_id, host in run(sa.select(T["claims"].c.server_id, T["claims"].c.host)):
            claims.setdefault(server_id, []).append(host)
        return Seen(
            servers={row.id: row for row in run(sa.select(T["servers"]))},
            guests=guests,
            claims=claims,
            ports=collections.Counter(run(sa.select(owners).where(owners.is_not(None))).scalars()),
            living=len(run(sa.select(T["operations"].c.id).where(T["operations"].c.ended_at.is_(None))).all()),
            owed=len(run(sa.select(T["tombstones"])).all()),
            instances_used=int(run(instances).scalar() or 0),
            hosts=list(run(sa.select(T["hosts"])).all()),
            claimed={host: (int(vcpus), int(ram)) for host, vcpus, ram in run(sums.group_by(T["claims"].c.host))},
        )


def violations(cloud: Any, *, active: set[str], deleted: set[str], stopped: set[str] = frozenset()) -> list[str]:
    """List what is wrong: `active` and `stopped` servers must have one such guest each, `deleted` ones nothing at all."""
    seen = look(cloud)
    kept = {server_id: "active" for server_id in active} | {server_id: "stopped" for server_id in stopped}
    return [*_of_kept(seen, kept), *_of_deleted(seen, deleted), *_of_books(seen)]


def _of_kept(seen: Seen, kept: dict[str, str]) -> Iterator[str]:
    for server_id, state in kept.items():
        row = seen.servers[server_id]
        if row.state != state:
            yield f"{server_id} is {row.state}, not {state}: {row.fault}"
        if seen.guests.get(server_id, []) != [(row.host, POWER[state])]:
            yield f"{server_id} is {state} on {row.host} and has guests {seen.guests.get(server_id, [])}"
        if seen.claims.get(server_id) != [row.host] or seen.ports[server_id] != 1:
            yield f"{server_id} is on {row.host}, claims {seen.claims.get(server_id)} and has {seen.ports[server_id]} ports"


def _of_deleted(seen: Seen, deleted: set[str]) -> Iterator[str]:
    for server_id in deleted:
        left = {"guests": seen.guests.get(server_id), "claims": seen.claims.get(server_id), "ports": seen.ports[server_id]}
        if any(left.values()):
            yield f"{server_id} was deleted and left {left}"


def _of_books(seen: Seen) -> Iterator[str]:
    strangers = set(seen.guests) - set(seen.servers)
    if strangers:
        yield f"guests of nobody: {strangers}"
    if seen.living:
        yield f"{seen.living} operations have not ended"
    if seen.owed:
        yield f"hosts owe {seen.owed} removals"
    kept = [row for row in seen.servers.values() if row.state != "deleted"]
    if seen.instances_used != len(kept):
        yield f"quota says {seen.instances_used} servers, there are {len(kept)}"
    for host in seen.hosts:
        if (host.vcpus_used, host.ram_mib_used) != seen.claimed.get(host.name, (0, 0)):
            yield f"{host.name} says {host.vcpus_used} vCPUs are used, claims say {seen.claimed.get(host.name)}"
