"""Queries on servers: one row, a page of many, and the live operation that a row is shown with."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from nova_lite import errors
from nova_lite.db import clock
from nova_lite.db.engine import Tx
from nova_lite.db.tables.inventory import hosts
from nova_lite.db.tables.journal import operations, signals, subjects
from nova_lite.db.tables.moves import migrations
from nova_lite.db.tables.servers import servers
from nova_lite.model.migration import ENDED

Row = sa.RowMapping
SUBJECT = "server"  # the kind of subject that servers are
MARIADB_BAD_REGEXP = 1139
_UNSEEN = ("touched_at",)  # for the reconciler of power states only
_LONG = ("user_data", "key_data")  # left out of lists that do not show them
_NEVER_LISTED = ("requested_networks", "blank_disks", "files")  # of use to a boot only

_OWN_ZONE = servers.c.availability_zone
ZONE = sa.func.coalesce(_OWN_ZONE, hosts.c.zone)  # a server that is placed is in its host's zone

# What lists may sort by. NULLs are made the lowest value, so that a marker can be compared with them.
SORT_KEYS: Mapping[str, sa.ColumnElement[Any]] = {
    "created_at": servers.c.created_at,
    "updated_at": servers.c.updated_at,
    "launched_at": sa.func.coalesce(servers.c.launched_at, 0.0),
    "terminated_at": sa.func.coalesce(servers.c.terminated_at, 0.0),
    "id": servers.c.id,
    "name": servers.c.name,
    "description": sa.func.coalesce(servers.c.description, ""),
    "hostname": servers.c.hostname,
    "host": sa.func.coalesce(servers.c.host, ""),
    "availability_zone": sa.func.coalesce(ZONE, ""),
    "config_drive": sa.case((servers.c.config_drive, 1), else_=0),
    "disk_config": servers.c.disk_config,
    "image_id": sa.func.coalesce(servers.c.image_id, ""),
    "flavor_id": servers.c.flavor_id,
    "key_name": sa.func.coalesce(servers.c.key_name, ""),
    "launch_index": servers.c.launch_index,
    "power_state": servers.c.power_state,
    "project_id": servers.c.project_id,
    "user_id": servers.c.user_id,
    "state": servers.c.state,
    "task": sa.func.coalesce(operations.c.step, ""),
    "locked": sa.case((servers.c.locked, 1), else_=0),
    "locked_by": sa.func.coalesce(servers.c.locked_by, ""),
    "access_ip_v4": sa.func.coalesce(servers.c.access_ip_v4, ""),
    "access_ip_v6": sa.func.coalesce(servers.c.access_ip_v6, ""),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Doing:
    """A step of a workflow: what a live operation must be at to be shown as some task."""

    workflow: str
    step: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Showing:
    """Servers of a settled state whose live operation is one of `doing`, or none of `not_doing`."""

    state: str
    doing: tuple[Doing, ...] | None = None
    not_doing: tuple[Doing, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServerFilter:
    """Which servers a list has; what is None or empty does not matter. `equal` names columns and their wanted values."""

    project_id: str | None = None
    deleted: bool | None = False  # None: both
    equal: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    ids: tuple[str, ...] | None = None
    within: Mapping[str, tuple[float, float]] = dataclasses.field(default_factory=dict)  # column -> from, before
    matching: Mapping[str, str] = dataclasses.field(default_factory=dict)  # column -> regular expression
    ip: str | None = None  # regular expression over each address
    showing: tuple[Showing, ...] | None = None  # any of them
    no_task: bool = False
    changed_since: float | None = None
    changed_before: float | None = None
    tags_all: tuple[str, ...] = ()
    tags_any: tuple[str, ...] = ()
    tags_not_all: tuple[str, ...] = ()
    tags_not_any: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServerPage:
    """How a list is cut: the sort keys with their directions (True: downwards), the marker, how many, what is left out."""

    sort: tuple[tuple[str, bool], ...] = (("created_at", True), ("id", True))
    marker: str | None = None
    limit: int | None = None
    long_columns: bool = False


_COLUMNS: Mapping[str, Any] = {"availability_zone": ZONE}


def shelved_before(tx: Tx, moment: float, most: int) -> Sequence[str]:
    """List servers that have been shelved since before a moment (wall clock) and are on their hosts still."""
    query = sa.select(servers.c.id).where(servers.c.state == "shelved", servers.c.shelved_at < moment)
    return tx.execute(query.order_by(servers.c.shelved_at).limit(most)).scalars().all()


def insert_server(tx: Tx, values: Mapping[str, Any]) -> None:
    """Add a row."""
    tx.execute(servers.insert(), dict(values))


def update_server(tx: Tx, server_id: str, values: Mapping[str, Any]) -> bool:
    """Change columns of a row; False when there is none."""
    touched = {"touched_at": clock.now_sql(tx.database)}
    return tx.execute(servers.update().where(servers.c.id == server_id).values(**values, **touched)).rowcount == 1


def find_server(tx: Tx, server_id: str) -> Row | None:
    """Read a row with its live operation, deleted or not."""
    query = _select(frozenset()).where(servers.c.id == server_id)
    return tx.execute(query).mappings().one_or_none()


def ids_named(tx: Tx, name: str, *, limit: int) -> list[tuple[str, bool]]:
    """List servers of a name as (id, deleted): those that live first, each the newest first."""
    deleted = servers.c.state == "deleted"
    query = (
        sa.select(servers.c.id, deleted.label("deleted"))
        .where(servers.c.name == name)
        .order_by(deleted, servers.c.created_at.desc(), servers.c.id)
        .limit(limit)
    )
    return [(row.id, bool(row.deleted)) for row in tx.execute(query)]


def list_servers(tx: Tx, wanted: ServerFilter, page: ServerPage) -> Sequence[Row]:
    """Read a page of rows with their live operations.

    Raises: NotFound when the marker is no server; BadRequest when the engine does not take a regular expression.
    """
    left_out = frozenset(_NEVER_LISTED if page.long_columns else (*_NEVER_LISTED, *_LONG))
    query = _select(left_out).where(*_conditions(wanted))
    if page.marker is not None:
        query = query.where(_after(tx, page, wanted))
    query = query.order_by(*(SORT_KEYS[key].desc() if down else SORT_KEYS[key].asc() for key, down in page.sort))
    if page.limit is not None:
        query = query.limit(page.limit)
    try:
        return tx.execute(query).mappings().all()
    except exc.DataError as error:
        raise errors.BadRequest("A filter of the list is not a regular expression that the database takes.") from error
    except exc.OperationalError as error:
        if getattr(error.orig, "args", (None,))[0] == MARIADB_BAD_REGEXP:
            raise errors.BadRequest("A filter of the list is not a regular expression that the database takes.") from error
        raise


def servers_per_host(tx: Tx, hosts: Sequence[str]) -> Mapping[str, list[tuple[str, str]]]:
    """Give the ids and names of the living servers on some hosts."""
    query = (
        sa.select(servers.c.host, servers.c.id, servers.c.name)
        .where(servers.c.host.in_(hosts), servers.c.state != "deleted")
        .order_by(servers.c.created_at, servers.c.id)
    )
    found: dict[str, list[tuple[str, str]]] = {}
    for row in tx.execute(query):
        found.setdefault(row.host, []).append((row.id, row.name))
    return found


def usage_of(tx: Tx, project_id: str, user_id: str | None = None) -> dict[str, int]:
    """Recount what the living servers of a project (or of one user in it) use; the flavor copies are read one by one."""
    living = servers.c.state.not_in(("deleted", "soft-delete"))
    query = sa.select(servers.c.id, servers.c.flavor).where(servers.c.project_id == project_id, living)
    if user_id is not None:
        query = query.where(servers.c.user_id == user_id)
    sizes = {row.id: [row.flavor] for row in tx.execute(query)}
    for row in open_sizes(tx, project_id):
        if row.server_id in sizes:
            sizes[row.server_id] += [row.old_flavor, row.new_flavor]  # what is between two sizes counts as the larger one
    return {
        "instances": len(sizes),
        "cores": sum(max(flavor["vcpus"] for flavor in found) for found in sizes.values()),
        "ram": sum(max(flavor["ram_mib"] for flavor in found) for found in sizes.values()),
    }


def soft_deleted_before(tx: Tx, wall: float, limit: int) -> list[str]:
    """List ids of servers that were deleted softly before a moment (wall clock), the oldest first."""
    query = sa.select(servers.c.id).where(servers.c.state == "soft-delete", servers.c.terminated_at < wall)
    return list(tx.execute(query.order_by(servers.c.terminated_at).limit(limit)).scalars())


def open_sizes(tx: Tx, project_id: str) -> Sequence[sa.Row[Any]]:
    """Read both flavors of moves of a project's servers that have not come to their end."""
    query = sa.select(migrations.c.server_id, migrations.c.old_flavor, migrations.c.new_flavor)
    of_project = (migrations.c.project_id == project_id, migrations.c.status.not_in(ENDED))
    return tx.execute(query.where(*of_project)).all()


def _joined() -> sa.FromClause:
    subject = sa.and_(subjects.c.kind == SUBJECT, subjects.c.id == servers.c.id)
    return (
        servers.outerjoin(subjects, subject)
        .outerjoin(operations, operations.c.id == subjects.c.live_operation)
        .outerjoin(hosts, hosts.c.name == servers.c.host)
    )


@functools.cache
def _select(left_out: frozenset[str]) -> sa.Select[Any]:
    asked_to_go = sa.exists().where(signals.c.operation_id == operations.c.id, signals.c.name == "delete").correlate(operations)
    columns = [column for column in servers.c if column.name not in (*left_out, *_UNSEEN) and column is not _OWN_ZONE]
    return sa.select(
        *(column.label(column.key) for column in columns),
        ZONE.label("availability_zone"),
        operations.c.id.label("live_id"),
        operations.c.workflow.label("live_workflow"),
        operations.c.step.label("live_step"),
        operations.c.unwinding.label("live_unwinding"),
        asked_to_go.label("live_delete_asked"),
    ).select_from(_joined())


def _conditions(wanted: ServerFilter) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if wanted.project_id is not None:
        found.append(servers.c.project_id == wanted.project_id)
    if wanted.deleted is not None:
        found.append(_is_deleted(wanted))
    if wanted.ids is not None:
        found.append(servers.c.id.in_(wanted.ids))
    for name, value in wanted.equal.items():
        column = _COLUMNS.get(name, servers.c.get(name))
        found.append(column.is_(None) if value is None else column == value)
    for name, pattern in wanted.matching.items():
        found.append(_matches(_COLUMNS.get(name, servers.c.get(name)), pattern))
    for name, (start, end) in wanted.within.items():
        found.append(sa.and_(servers.c[name] >= start, servers.c[name] < end))
    if wanted.ip is not None:
        found.append(_has_address(wanted.ip))
    if wanted.showing is not None:
        found.append(sa.or_(sa.false(), *(_shows(showing) for showing in wanted.showing)))
    if wanted.no_task:
        found.append(operations.c.id.is_(None))
    if wanted.changed_since is not None:
        found.append(servers.c.updated_at >= wanted.changed_since)
    if wanted.changed_before is not None:
        found.append(servers.c.updated_at <= wanted.changed_before)
    return found + _tag_conditions(wanted)


def _is_deleted(wanted: ServerFilter) -> sa.ColumnElement[bool]:
    """Tell who is deleted; those that can still be restored are, unless a list asks for their state."""
    if wanted.deleted:
        return servers.c.state.in_(("deleted", "soft-delete"))
    if wanted.showing is not None:
        return servers.c.state != "deleted"
    return servers.c.state.not_in(("deleted", "soft-delete"))


def _matches(column: sa.ColumnElement[Any], pattern: str) -> sa.ColumnElement[bool]:
    """Compare with a regular expression; plain words need none."""
    if pattern.replace("-", "").replace("_", "").replace(" ", "").isalnum():
        return sa.func.lower(column).contains(pattern.lower(), autoescape=True)
    return column.regexp_match(pattern)


def _has_address(pattern: str) -> sa.ColumnElement[bool]:
    """Search the stored list of addresses, which is compact JSON text, for an address that matches."""
    start = "" if pattern.startswith("^") else '[^"]*'
    end = '"' if pattern.endswith("$") else ""
    inner = pattern.removeprefix("^").removesuffix("$")
    return sa.type_coerce(servers.c.addresses, sa.Text).regexp_match(f'"ip_address":"{start}(?:{inner}){end}')


def _shows(showing: Showing) -> sa.ColumnElement[bool]:
    parts: list[sa.ColumnElement[bool]] = [servers.c.state == showing.state]
    if showing.doing is not None:
        parts.append(_does(showing.doing))
    if showing.not_doing:
        parts.append(sa.or_(operations.c.id.is_(None), sa.not_(_does(showing.not_doing))))
    return sa.and_(*parts)


def _does(doing: tuple[Doing, ...]) -> sa.ColumnElement[bool]:
    """Whether the live operation is at one of the steps (never unknown, so that it can be negated)."""
    steps = (sa.and_(operations.c.workflow == one.workflow, _step() == one.step) for one in doing)
    return sa.and_(operations.c.id.is_not(None), sa.or_(sa.false(), *steps))


def _step() -> sa.ColumnElement[str]:
    return sa.func.coalesce(operations.c.step, "")


def _tag_conditions(wanted: ServerFilter) -> list[sa.ColumnElement[bool]]:
    text = sa.type_coerce(servers.c.tags, sa.Text)

    def has(tag: str) -> sa.ColumnElement[bool]:
        return text.contains(f'"{tag}"', autoescape=True)

    found = [has(tag) for tag in wanted.tags_all]
    if wanted.tags_any:
        found.append(sa.or_(*map(has, wanted.tags_any)))
    if wanted.tags_not_all:
        found.append(sa.not_(sa.and_(*map(has, wanted.tags_not_all))))
    found.extend(sa.not_(has(tag)) for tag in wanted.tags_not_any)
    return found


def _after(tx: Tx, page: ServerPage, wanted: ServerFilter) -> sa.ColumnElement[bool]:
    """What comes behind the marker in the order of the page. Raises: NotFound when there is no such server."""
    marked = sa.select(*(SORT_KEYS[key] for key, _ in page.sort)).select_from(_joined()).where(servers.c.id == page.marker)
    if wanted.project_id is not None:
        marked = marked.where(servers.c.project_id == wanted.project_id)
    values = tx.execute(marked).one_or_none()
    if values is None:
        raise errors.NotFound(f"The marker {page.marker} is no server.")
    behind: sa.ColumnElement[bool] = sa.false()
    for (key, down), value in reversed(list(zip(page.sort, values, strict=True))):
        column = SORT_KEYS[key]
        behind = sa.or_(column < value if down else column > value, sa.and_(column == value, behind))
    (first, down), value = page.sort[0], values[0]  # lets the engine begin in the middle of the index
    return sa.and_(SORT_KEYS[first] <= value if down else SORT_KEYS[first] >= value, behind)
