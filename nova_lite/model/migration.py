"""The record of a server's move from host to host, or to another size: what the Compute API calls a migration."""

from __future__ import annotations

import dataclasses
import enum

from nova_lite.model.flavor import Flavor
from nova_lite.model.ids import HostName, OperationId, ProjectId, ServerId, UserId


class MigrationType(enum.StrEnum):
    """The kinds of moves, as the Compute API names them."""

    RESIZE = "resize"
    MIGRATION = "migration"  # a cold one
    LIVE = "live-migration"
    EVACUATION = "evacuation"


class MigrationStatus(enum.StrEnum):
    """How far a move is, in the Compute API's words."""

    ACCEPTED = "accepted"
    PRE_MIGRATING = "pre-migrating"
    QUEUED = "queued"
    PREPARING = "preparing"
    RUNNING = "running"
    MIGRATING = "migrating"
    POST_MIGRATING = "post-migrating"
    FINISHED = "finished"  # waits to be confirmed or reverted
    CONFIRMING = "confirming"
    CONFIRMED = "confirmed"
    REVERTING = "reverting"
    REVERTED = "reverted"
    COMPLETED = "completed"
    DONE = "done"
    ERROR = "error"
    FAILED = "failed"
    CANCELLED = "cancelled"


DRAIN = UserId("nova-lite-host-drain")  # who began a move that emptied a host; such a one is confirmed by itself
ENDED: tuple[str, ...] = tuple(
    status.value
    for status in (
        MigrationStatus.CONFIRMED,
        MigrationStatus.REVERTED,
        MigrationStatus.COMPLETED,
        MigrationStatus.DONE,
        MigrationStatus.ERROR,
        MigrationStatus.FAILED,
        MigrationStatus.CANCELLED,
    )
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Progress:
    """How much of a move is done, in bytes. Of memory only a live migration has some."""

    memory_total: int = 0
    memory_processed: int = 0
    memory_remaining: int = 0
    disk_total: int = 0
    disk_processed: int = 0
    disk_remaining: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Migration:
    """One move. `was_running`: how the guest was before. Times are wall clock."""

    id: int
    uuid: str
    server_id: ServerId
    project_id: ProjectId
    user_id: UserId | None
    operation_id: OperationId
    type: MigrationType
    status: MigrationStatus
    source: HostName
    dest: HostName | None
    old_flavor: Flavor
    new_flavor: Flavor
    was_running: bool
    progress: Progress
    created_at: float
    updated_at: float
