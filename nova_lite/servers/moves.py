"""Records of moves: begun when a move is accepted, and told on as it goes."""

from __future__ import annotations

import dataclasses
import uuid

from nova_lite.db import moves as queries
from nova_lite.db.engine import Tx
from nova_lite.db.moves import MigrationFilter, Row
from nova_lite.model import wire
from nova_lite.model.flavor import Flavor
from nova_lite.model.ids import HostName, OperationId, ServerId
from nova_lite.model.migration import ENDED, Migration, MigrationStatus, MigrationType, Progress
from nova_lite.model.server import Server, ServerState

ANSWERABLE = tuple(one.value for one in (MigrationStatus.FINISHED, MigrationStatus.CONFIRMING, MigrationStatus.REVERTING))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Move:
    """A move that is accepted. `dest`: the host that was named, if one was."""

    type: MigrationType
    status: MigrationStatus
    new_flavor: Flavor | None = None  # None: as it is
    dest: HostName | None = None
    user_id: str | None = None


def begin(tx: Tx, server: Server, source: HostName, operation_id: OperationId, move: Move) -> int:
    """Write down that a server is to move; give the record's number."""
    wall = tx.database.clock.wall()
    return queries.insert_migration(
        tx,
        {
            "uuid": str(uuid.uuid4()),
            "server_id": server.id,
            "project_id": server.project_id,
            "user_id": move.user_id,
            "operation_id": operation_id,
            "type": move.type.value,
            "status": move.status.value,
            "source": source,
            "dest": move.dest,
            "old_flavor": wire.to_plain(server.flavor),
            "new_flavor": wire.to_plain(move.new_flavor or server.flavor),
            "was_running": server.state is ServerState.ACTIVE,
            "progress": wire.to_plain(Progress()),
            "created_at": wall,
            "updated_at": wall,
        },
    )


def mark(tx: Tx, migration_id: int, status: MigrationStatus, *, dest: HostName | None = None) -> None:
    """Say how far a move is; one that has ended stays so. May be repeated."""
    values = {"status": status.value, "updated_at": tx.database.clock.wall()}
    queries.update_migration(tx, migration_id, values | ({"dest": dest} if dest is not None else {}), unless=ENDED)


def mark_under_way(tx: Tx, migration_id: int, status: MigrationStatus) -> None:
    """Say how far a move is, from a step that acts outside; nothing once it waits for an answer, or has ended.

    A runner that was asleep while another went on with the operation says it late.
    """
    values = {"status": status.value, "updated_at": tx.database.clock.wall()}
    queries.update_migration(tx, migration_id, values, unless=(*ENDED, *ANSWERABLE))


def note_progress(tx: Tx, migration_id: int, progress: Progress) -> None:
    """Say how much of a move is done; nothing once it has ended."""
    values = {"progress": wire.to_plain(progress), "updated_at": tx.database.clock.wall()}
    queries.update_migration(tx, migration_id, values, unless=ENDED)


def waiting_for_answer(tx: Tx, server_id: ServerId) -> Migration | None:
    """Give the move of a server that waits to be confirmed or reverted, or is just being so."""
    rows = queries.select_migrations(tx, MigrationFilter(server_id=server_id, statuses=ANSWERABLE), limit=1)
    return of_row(rows[0]) if rows else None


def of_operation(tx: Tx, server_id: ServerId, operation_id: OperationId) -> Migration | None:
    """Give the move that an operation on a server makes."""
    for row in queries.select_migrations(tx, MigrationFilter(server_id=server_id)):
        if row["operation_id"] == operation_id:
            return of_row(row)
    return None


def list_migrations(
    tx: Tx, wanted: MigrationFilter, *, limit: int | None = None, marker: str | None = None
) -> tuple[Migration, ...]:
    """List moves, newest first, behind the one whose uuid is `marker`."""
    return tuple(of_row(row) for row in queries.select_migrations(tx, wanted, limit=limit, marker=marker))


def find(tx: Tx, *, number: int | None = None, uuid: str | None = None) -> Migration | None:
    """Give one move, by its number or its uuid."""
    row = queries.find_migration(tx, number=number, uuid=uuid)
    return None if row is None else of_row(row)


def waiting_since(tx: Tx, before: float, limit: int = 100, *, user_id: str | None = None) -> tuple[ServerId, ...]:
    """List the servers whose resize, begun by one user or anybody, waits for an answer since before that wall time."""
    return tuple(ServerId(one) for one in queries.waiting_since(tx, before, limit, user_id))


def of_row(row: Row) -> Migration:
    """Make the record of its row."""
    fields = dict(row)
    for name in ("old_flavor", "new_flavor"):
        fields[name] = wire.from_plain(Flavor, fields[name])
    fields["progress"] = wire.from_plain(Progress, fields["progress"])
    fields["type"], fields["status"] = MigrationType(fields["type"]), MigrationStatus(fields["status"])
    return Migration(**fields)
