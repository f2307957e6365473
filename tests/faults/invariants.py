"""What must hold after every run: looked up in the database, on every host and in the broker, apart from the code under test."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from faults.verbs import DELETED, SOFT_DELETED, STATES

from nova_lite.db.types import METADATA
from nova_lite.durable import journal
from nova_lite.image.stores.filesystem import ORPHAN_AGE_S

T = METADATA.tables
SWEEP_S = 130.0  # a conductor looks for what dead uploads left every two minutes
LEFT_OF_UPLOADS = "image files of"


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
    late: list[str]
    images: dict[str, str]
    image_files: dict[str, list[str]]
    unsent: dict[str, int]


def look(cloud: Any) -> Seen:
    """Read the database and every hypervisor."""
    guests = cloud.guests()
    with cloud.database.engine.connect() as connection:
        run = connection.execute
        owners = T["ports"].c.server_id
        sums = sa.select(T["claims"].c.host, sa.func.sum(T["claims"].c.vcpus), sa.func.sum(T["claims"].c.ram_mib))
        instances = sa.select(sa.func.sum(T["quota_usage"].c.used)).where(T["quota_usage"].c.resource == "instances")
        claims: dict[str, list[str]] = {}
        current = T["claims"].c.role != "held"  # what a resize set aside is no guest
        for server_id, host in run(sa.select(T["claims"].c.server_id, T["claims"].c.host).where(current)):
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
            late=_late(cloud),
            images=dict(run(sa.select(T["images"].c.id, T["images"].c.status)).all()),
            image_files=_image_files(cloud),
            unsent={host: _unsent(cloud.host_folder(host) / "ledger.db") for host in cloud.host_names},
        )


def _late(cloud: Any) -> list[str]:
    """List the steps past their deadline."""
    with cloud.database.read() as tx:
        return [f"{one.workflow}/{one.step} by {one.late_s:.0f} s" for one in journal.overdue(tx)]


def _image_files(cloud: Any) -> dict[str, list[str]]:
    """List the files of the image store by folder. What a sweep will take at the next start is not counted before its age."""
    root = cloud.installation.daemon.state_dir / "images"
    found: dict[str, list[str]] = {}
    for name in ("incoming", "kept"):
        ages = {path.name: time.time() - path.stat().st_ctime for path in (root / name).glob("*")}
        found[name] = sorted(file for file, age in ages.items() if age > ORPHAN_AGE_S)
    return found


def _unsent(path: Path) -> int:
    """Count what a host has to say and nobody acknowledged."""
    if not path.exists():
        return 0
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as ledger:
        return int(ledger.execute("SELECT count(*) FROM outbox").fetchone()[0])


def violations(cloud: Any, **sets: set[str]) -> list[str]:
    """List what is wrong. `sets` are servers by state: `deleted` ones must have nothing at all, others one such guest each."""
    seen = look(cloud)
    deleted = sets.pop(DELETED, set())
    kept = {server_id: state for state, ids in sets.items() for server_id in ids}
    return [*_of_kept(seen, kept), *_of_deleted(seen, deleted), *_of_books(seen), *_of_leftovers(seen)]


def _of_kept(seen: Seen, kept: dict[str, str]) -> Iterator[str]:
    for server_id, state in kept.items():
        row = seen.servers[server_id]
        if row.state != state:
            yield f"{server_id} is {row.state}, not {state}: {row.fault}"
        power = STATES[state].power
        if seen.guests.get(server_id, []) != ([] if power is None else [(row.host, power)]):
            yield f"{server_id} is {state} on {row.host} and has guests {seen.guests.get(server_id, [])}"
        if seen.claims.get(server_id, []) != ([] if power is None else [row.host]):
            yield f"{server_id} is on {row.host} and claims {seen.claims.get(server_id)}"
        shown = len({address["mac_address"] for address in row.addresses})
        if seen.ports[server_id] != shown:
            yield f"{server_id} has {seen.ports[server_id]} ports and shows {shown}"


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
    kept = [row for row in seen.servers.values() if row.state not in (DELETED, SOFT_DELETED)]
    if seen.instances_used != len(kept):
        yield f"quota says {seen.instances_used} servers, there are {len(kept)}"
    for host in seen.hosts:
        if (host.vcpus_used, host.ram_mib_used) != seen.claimed.get(host.name, (0, 0)):
            yield f"{host.name} says {host.vcpus_used} vCPUs are used, claims say {seen.claimed.get(host.name)}"


def _of_leftovers(seen: Seen) -> Iterator[str]:
    half = [image_id for image_id, status in seen.images.items() if status in ("saving", "importing")]
    if half:
        yield f"half images: {half}"
    living = [one for one, status in seen.images.items() if status == "active"]
    if len(seen.image_files["kept"]) > len(living):
        yield f"{len(seen.image_files['kept'])} {LEFT_OF_UPLOADS} {len(living)} active images"
    if any(seen.unsent.values()):
        yield f"not acknowledged: {seen.unsent}"
    if seen.late:
        yield f"past their deadline: {seen.late}"


def waiting(cloud: Any) -> dict[str, int]:
    """Find the queues of daemons in which messages wait."""
    counts = cloud.rabbit.lengths(f"cloud{cloud.port}")
    return {name: count for name, count in counts.items() if count and name.startswith(("conductor", "scheduler", "compute"))}


def _of_others(cloud: Any) -> list[str]:
    """Ask the doctor and the broker, who take longer."""
    found = [str(finding) for finding in cloud.doctor()]
    left = waiting(cloud)
    return [*found, f"messages wait: {left}"] if left else found


def _is_sweeping(wrong: list[str]) -> bool:
    """Whether nothing is wrong but files of dead uploads, which a conductor removes in its next look."""
    return all(LEFT_OF_UPLOADS in one or ("'check': 'images'" in one and "'repair': 'remove it'" in one) for one in wrong)


def check(cloud: Any, tally: Any, *, within_s: float = 40.0, **sets: set[str]) -> None:
    """Have everything as it must be within that time, by this program's and by the doctor's word; count what is not."""
    began = time.monotonic()
    while wrong := [*violations(cloud, **sets)] or _of_others(cloud):
        if time.monotonic() - began > (max(within_s, SWEEP_S) if _is_sweeping(wrong) else within_s):
            tally.lost += sum(f" not {state}" in one for one in wrong for state in STATES)
            tally.doubled += sum("has guests" in one or "guests of nobody" in one for one in wrong)
            tally.stuck += sum("not ended" in one or "past their deadline" in one for one in wrong)
            raise AssertionError("\n".join(wrong))
        time.sleep(0.5)
