"""How the Compute API shows moves of servers."""

from __future__ import annotations

import zlib
from typing import Any

from nova_lite.api.compute import links, times
from nova_lite.api.microversion import ByVersion
from nova_lite.api.route import Request
from nova_lite.model.flavor import Flavor
from nova_lite.model.migration import Migration, MigrationStatus, MigrationType

View = dict[str, Any]
LIVE_IN_PROGRESS = frozenset(
    {MigrationStatus.QUEUED, MigrationStatus.PREPARING, MigrationStatus.RUNNING, MigrationStatus.POST_MIGRATING}
)
TYPED = ByVersion({"2.1": False, "2.23": True})
NAMED = ByVersion({"2.1": False, "2.59": True})
OWNED = ByVersion({"2.1": False, "2.80": True})


def in_progress(migration: Migration) -> bool:
    """Whether it is a live migration that goes on."""
    return migration.type is MigrationType.LIVE and migration.status in LIVE_IN_PROGRESS


def listed(request: Request, migration: Migration) -> View:
    """Show one in the list of all."""
    made: View = _ends(migration) | {
        "id": migration.id,
        "instance_uuid": migration.server_id,
        "old_instance_type_id": _number(migration.old_flavor),
        "new_instance_type_id": _number(migration.new_flavor),
    }
    if TYPED.at(request.version):
        made["migration_type"] = migration.type.value
        if in_progress(migration):
            made["links"] = links.both(request, f"servers/{migration.server_id}/migrations", str(migration.id))
    return made | _more(request, migration)


def of_server(request: Request, migration: Migration) -> View:
    """Show a live migration that goes on, with how much of it is done in bytes."""
    progress = {f"{name}_bytes": amount for name, amount in vars(migration.progress).items()}
    made: View = _ends(migration) | progress | {"id": migration.id, "server_uuid": migration.server_id}
    return made | _more(request, migration)


def _ends(migration: Migration) -> View:
    return {
        "source_compute": migration.source,
        "source_node": migration.source,
        "dest_compute": migration.dest,
        "dest_node": migration.dest,
        "dest_host": migration.dest,
        "status": migration.status.value,
        "created_at": times.micro(migration.created_at),
        "updated_at": times.micro(migration.updated_at),
    }


def _more(request: Request, migration: Migration) -> View:
    made: View = {}
    if NAMED.at(request.version):
        made["uuid"] = migration.uuid
    if OWNED.at(request.version):
        made |= {"user_id": migration.user_id, "project_id": migration.project_id}
    return made


def _number(flavor: Flavor) -> int:
    """Give a number that stands for a flavor, since the API wants one: its id if that is one, else one made of it."""
    text = flavor.id
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else zlib.crc32(text.encode()) & 0x7FFFFFFF
