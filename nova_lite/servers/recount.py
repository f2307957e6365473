"""Counting anew what projects use, from their servers and groups of servers, for the conductors and the doctor."""

from __future__ import annotations

import dataclasses

from nova_lite.db import server_groups
from nova_lite.db import servers as queries
from nova_lite.db.engine import Tx
from nova_lite.quota import usage

RESOURCES = ("instances", "cores", "ram", "server_groups")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Difference:
    """One resource of one project whose books are not what its servers add up to."""

    project_id: str
    resource: str
    booked: int
    counted: int


def find(tx: Tx) -> tuple[Difference, ...]:
    """Compare every project's books with its servers; change nothing."""
    found: list[Difference] = []
    for project_id in usage.projects(tx):
        booked, counted = usage.used_by(tx, project_id), _count(tx, project_id)
        found += [
            Difference(project_id=project_id, resource=name, booked=booked.get(name, 0), counted=counted[name])
            for name in RESOURCES
            if booked.get(name, 0) != counted[name]
        ]
    return tuple(found)


def _count(tx: Tx, project_id: str) -> dict[str, int]:
    return queries.usage_of(tx, project_id) | {"server_groups": server_groups.count_groups(tx, project_id)}


def mend(tx: Tx, project_id: str) -> tuple[Difference, ...]:
    """Put what is counted in place of what is booked for a project. Safe beside creates and deletes."""
    usage.lock(tx, project_id, RESOURCES)
    wrong = usage.recount(tx, project_id, _count(tx, project_id))
    return tuple(
        Difference(project_id=project_id, resource=name, booked=booked, counted=counted)
        for name, (booked, counted) in wrong.items()
    )
