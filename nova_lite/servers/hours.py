"""How long servers lived in a period, and with how much: what usage is counted from."""

from __future__ import annotations

import dataclasses

from nova_lite.db import server_hours as queries
from nova_lite.db.engine import Tx

SECONDS_AN_HOUR = 3600.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Period:
    """From `start` to `stop`, seconds since 1970."""

    start: float
    stop: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Used:
    """A server's life, and what the copy of its flavor gives it, whatever became of the flavor since."""

    server_id: str
    name: str
    project_id: str
    state: str
    flavor_name: str
    vcpus: int
    ram_mib: int
    disk_gib: int  # root and ephemeral
    started_at: float
    ended_at: float | None

    def hours_in(self, period: Period) -> float:
        """Give the hours of its life that lie in a period."""
        end = period.stop if self.ended_at is None else min(self.ended_at, period.stop)
        return max(0.0, end - max(self.started_at, period.start)) / SECONDS_AN_HOUR


def list_used(
    tx: Tx, period: Period, project_id: str | None = None, *, marker: str | None = None, limit: int | None = None
) -> list[Used]:
    """List servers that lived in a period, deleted ones too, by project and id; one statement, two with a marker.

    Raises: NotFound when the marker is no server.
    """
    rows = queries.list_living(tx, (period.start, period.stop), project_id, marker=marker, limit=limit)
    return [
        Used(
            server_id=row["id"],
            name=row["name"],
            project_id=row["project_id"],
            state=row["state"],
            flavor_name=row["flavor"]["name"],
            vcpus=row["flavor"]["vcpus"],
            ram_mib=row["flavor"]["ram_mib"],
            disk_gib=row["flavor"].get("disk_gib", 0) + row["flavor"].get("ephemeral_gib", 0),
            started_at=row["launched_at"],
            ended_at=row["terminated_at"],
        )
        for row in rows
    ]
