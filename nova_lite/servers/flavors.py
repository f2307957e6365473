"""Flavors: the sizes that servers are asked in."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping
from typing import Any

from nova_lite import errors
from nova_lite.db import flavors as queries
from nova_lite.db.engine import Database, Tx
from nova_lite.db.flavors import Row
from nova_lite.model.flavor import Flavor
from nova_lite.model.ids import FlavorId

LONGEST_DESCRIPTION = 65_535  # bytes; the API counts characters, of which some have four
DEFAULTS = (
    # id, name, vCPUs, RAM in MiB, disk in GiB
    ("1", "m1.tiny", 1, 128, 1),
    ("2", "m1.small", 1, 512, 5),
    ("3", "m1.medium", 2, 2048, 20),
    ("4", "m1.large", 4, 4096, 40),
    ("5", "m1.xlarge", 8, 8192, 80),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FlavorQuery:
    """Which flavors a list has. `seen_by`: a project that may use them; None: all."""

    seen_by: str | None = None
    is_public: bool | None = None
    min_ram_mib: int | None = None
    min_disk_gib: int | None = None
    name: str | None = None
    sort: tuple[str, bool] = ("flavorid", False)
    marker: str | None = None
    limit: int | None = None


def bootstrap(database: Database) -> None:
    """Make the default flavors, if there is no flavor at all. May be repeated."""

    def work(tx: Tx) -> None:
        if queries.list_flavors(tx, limit=1):
            return
        for flavor_id, name, vcpus, ram_mib, disk_gib in DEFAULTS:
            create(tx, Flavor(id=FlavorId(flavor_id), name=name, vcpus=vcpus, ram_mib=ram_mib, disk_gib=disk_gib))

    database.transact(work)


def new_id() -> FlavorId:
    """Make an id for a flavor whose maker names none."""
    return FlavorId(str(uuid.uuid4()))


def get(tx: Tx, flavor_id: str, *, seen_by: str | None = None) -> Flavor:
    """Read a flavor. Raises: NotFound also when the project `seen_by` may not use it."""
    row = queries.find_flavor(tx, flavor_id, seen_by=seen_by)
    if row is None:
        raise no_flavor(flavor_id)
    return of_row(row)


def no_flavor(flavor_id: str) -> errors.NotFound:
    """Make the error of a flavor that is not there."""
    return errors.NotFound(f"Flavor {flavor_id} could not be found.")


def list_page(tx: Tx, wanted: FlavorQuery) -> list[Flavor]:
    """Read a page. Raises: NotFound when the marker is no flavor."""
    equal: dict[str, Any] = {}
    if wanted.is_public is not None:
        equal["is_public"] = wanted.is_public
    if wanted.name is not None:
        equal["name"] = wanted.name
    at_least = {"ram_mib": wanted.min_ram_mib, "disk_gib": wanted.min_disk_gib}
    rows = queries.list_flavors(
        tx,
        seen_by=wanted.seen_by,
        equal=equal,
        at_least={name: least for name, least in at_least.items() if least is not None},
        sort=wanted.sort,
        marker=wanted.marker,
        limit=wanted.limit,
    )
    return [of_row(row) for row in rows]


def create(tx: Tx, flavor: Flavor) -> None:
    """Add a flavor. Raises: Conflict when its id or name is taken; BadRequest for a description that is too long."""
    _check_description(flavor.description)
    values = {**vars(flavor), "extra_specs": dict(flavor.extra_specs), "created_at": tx.database.clock.wall()}
    queries.insert_flavor(tx, values)


def delete(tx: Tx, flavor_id: str) -> None:
    """Remove a flavor; servers keep their copies. Raises: NotFound."""
    if not queries.delete_flavor(tx, flavor_id):
        raise no_flavor(flavor_id)


def describe(tx: Tx, flavor_id: str, description: str | None) -> None:
    """Change the description. Raises: NotFound; BadRequest when it is too long."""
    _check_description(description)
    if not queries.update_flavor(tx, flavor_id, description=description, updated_at=tx.database.clock.wall()):
        raise no_flavor(flavor_id)


def _check_description(description: str | None) -> None:
    if description is not None and len(description.encode()) > LONGEST_DESCRIPTION:
        raise errors.BadRequest(f"The description is longer than {LONGEST_DESCRIPTION} bytes.")


def set_extra_specs(tx: Tx, flavor_id: str, specs: Mapping[str, str]) -> None:
    """Replace all extra specs. Raises: NotFound."""
    if not queries.update_flavor(tx, flavor_id, extra_specs=dict(specs), updated_at=tx.database.clock.wall()):
        raise no_flavor(flavor_id)


def list_access(tx: Tx, flavor: Flavor) -> list[str]:
    """List the projects that may use a private flavor."""
    return queries.list_access(tx, flavor.id)


def add_access(tx: Tx, flavor: Flavor, project_id: str) -> None:
    """Let a project use a private flavor. Raises: Conflict when it may already."""
    if project_id in queries.list_access(tx, flavor.id):
        raise errors.Conflict(f"Project {project_id} may use flavor {flavor.id} already.")
    queries.add_access(tx, flavor.id, project_id)


def remove_access(tx: Tx, flavor: Flavor, project_id: str) -> None:
    """Take the use of a private flavor away. Raises: NotFound when the project had none."""
    if not queries.remove_access(tx, flavor.id, project_id):
        raise errors.NotFound(f"Project {project_id} has no access to flavor {flavor.id}.")


def of_row(row: Row) -> Flavor:
    """Build a flavor from its row."""
    return Flavor(**{field.name: row[field.name] for field in dataclasses.fields(Flavor)})
