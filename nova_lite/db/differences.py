"""Queries that find where books and truth differ, and the repairs that were made of it. Each finds nothing in a sound cloud."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from nova_lite.db import clock
from nova_lite.db.engine import Tx
from nova_lite.db.tables.identity import projects
from nova_lite.db.tables.images import images
from nova_lite.db.tables.inventory import claims, repairs, services, strangers, tombstones
from nova_lite.db.tables.journal import operations, signals, subjects
from nova_lite.db.tables.networks import ports
from nova_lite.db.tables.placement import server_groups
from nova_lite.db.tables.servers import servers

Row = sa.RowMapping
AT_ONCE = 100  # differences of one kind that are looked at in one go
HOMELESS = ("building", "deleted", "shelved_offloaded")  # states that hold no room on a host


def _rows(tx: Tx, query: sa.Select[Any]) -> Sequence[Row]:
    return tx.execute(query.limit(AT_ONCE)).mappings().all()


def _busy(server_id: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """Whether an operation on a server lives, by the operations or by its subject."""
    its, one = operations.alias(), subjects.alias()  # the query around may read these tables too
    living = sa.select(its.c.id).where(its.c.subject_kind == "server", its.c.subject_id == server_id, its.c.ended_at.is_(None))
    held = sa.select(one.c.id).where(one.c.kind == "server", one.c.id == server_id, one.c.live_operation.is_not(None))
    return sa.or_(living.exists(), held.exists())


# -- servers, claims, ports ------------------------------------------------------------------------------------------


def stuck_servers(tx: Tx) -> Sequence[Row]:
    """Read servers in `building` that no operation builds: id, and the host they hold room on."""
    claimed = sa.and_(claims.c.server_id == servers.c.id, claims.c.role == "current")
    query = sa.select(servers.c.id, claims.c.host).select_from(servers.outerjoin(claims, claimed))
    return _rows(tx, query.where(servers.c.state == "building", ~_busy(servers.c.id)).order_by(servers.c.id))


def servers_without_claim(tx: Tx) -> Sequence[Row]:
    """Read servers on a host that hold nothing there and that no operation changes: id, host, flavor, image_properties."""
    held = sa.select(claims.c.server_id).where(claims.c.server_id == servers.c.id, claims.c.host == servers.c.host)
    query = sa.select(servers.c.id, servers.c.host, servers.c.flavor, servers.c.image_properties).where(
        servers.c.host.is_not(None), servers.c.state.not_in(HOMELESS), ~held.exists(), ~_busy(servers.c.id)
    )
    return _rows(tx, query.order_by(servers.c.id))


def ports_without_server(tx: Tx) -> Sequence[Row]:
    """Read ports of servers that are deleted or unknown and that no operation changes: id, server_id, owned_by_operation."""
    living = sa.select(servers.c.id).where(servers.c.id == ports.c.server_id, servers.c.state != "deleted")
    query = sa.select(ports.c.id, ports.c.server_id, ports.c.owned_by_operation).where(
        ports.c.server_id.is_not(None), ~living.exists(), ~_busy(ports.c.server_id)
    )
    return _rows(tx, query.order_by(ports.c.id))


def unread_deletes(tx: Tx) -> Sequence[Row]:
    """Read deletes that were asked of an operation which ended without one: subject_id, signal body, of living servers."""
    query = (
        sa.select(operations.c.subject_id, signals.c.body)
        .select_from(
            signals.join(operations, operations.c.id == signals.c.operation_id).join(
                servers, sa.and_(operations.c.subject_kind == "server", servers.c.id == operations.c.subject_id)
            )
        )
        .where(
            signals.c.name == "delete", operations.c.ended_at.is_not(None), servers.c.state != "deleted", ~_busy(servers.c.id)
        )
    )
    return _rows(tx, query.order_by(operations.c.subject_id, signals.c.seq))


# -- subjects and operations -----------------------------------------------------------------------------------------


def dead_subjects(tx: Tx) -> Sequence[Row]:
    """Read subjects whose live operation has ended or is not there, with its fence (`last_fence`, None: unknown)."""
    query = (
        sa.select(subjects, (operations.c.fence_base + operations.c.lease_number).label("last_fence"))
        .select_from(subjects.outerjoin(operations, operations.c.id == subjects.c.live_operation))
        .where(subjects.c.live_operation.is_not(None), sa.or_(operations.c.id.is_(None), operations.c.ended_at.is_not(None)))
    )
    return _rows(tx, query.order_by(subjects.c.kind, subjects.c.id))


def closed_subjects(tx: Tx) -> Sequence[Row]:
    """Read servers' subjects that are closed though no operation is on and the server lives."""
    query = (
        sa.select(subjects)
        .select_from(subjects.join(servers, sa.and_(subjects.c.kind == "server", servers.c.id == subjects.c.id)))
        .where(subjects.c.closed, subjects.c.live_operation.is_(None), servers.c.state != "deleted")
    )
    return _rows(tx, query.order_by(subjects.c.id))


def miscounted_parents(tx: Tx) -> Sequence[Row]:
    """Read subjects that count more or fewer children than live, with `counted`."""
    child = subjects.alias("child")
    counted = (
        sa.select(sa.func.count())
        .select_from(child)
        .where(child.c.parent_kind == subjects.c.kind, child.c.parent_id == subjects.c.id, child.c.live_operation.is_not(None))
        .correlate(subjects)
        .scalar_subquery()
    )
    named = subjects.c.id.in_(sa.select(child.c.parent_id).where(child.c.live_operation.is_not(None)))
    query = sa.select(subjects, counted.label("counted")).where(
        sa.or_(subjects.c.children != 0, named), subjects.c.children != counted
    )
    return _rows(tx, query.order_by(subjects.c.id))


def forgotten_operations(tx: Tx) -> Sequence[Row]:
    """Read living operations that nothing will ever wake: held by an operation that has ended or is gone, or by none."""
    parent = operations.alias("parent")
    query = (
        sa.select(operations.c.id, operations.c.workflow, operations.c.subject_id)
        .select_from(operations.outerjoin(parent, parent.c.id == operations.c.held_by))
        .where(
            operations.c.wake_at.is_(None),
            operations.c.ended_at.is_(None),
            sa.or_(parent.c.id.is_(None), parent.c.ended_at.is_not(None)),
        )
    )
    return _rows(tx, query.order_by(operations.c.id))


def stray_operations(tx: Tx) -> Sequence[Row]:
    """Read living operations that are not their subject's live one, with that one (`rival`) and whether there is a subject."""
    its = sa.and_(subjects.c.kind == operations.c.subject_kind, subjects.c.id == operations.c.subject_id)
    query = (
        sa.select(operations, subjects.c.live_operation.label("rival"), subjects.c.id.label("known_subject"))
        .select_from(operations.outerjoin(subjects, its))
        .where(
            operations.c.ended_at.is_(None),
            sa.or_(subjects.c.live_operation.is_(None), subjects.c.live_operation != operations.c.id),
        )
    )
    return _rows(tx, query.order_by(operations.c.id))


def change_subject(tx: Tx, row: Mapping[Any, Any], **values: Any) -> bool:
    """Change a subject that is still as it was read; tell whether it was."""
    same = [subjects.c[name] == row[name] for name in ("kind", "id", "closed", "children", "fence")]
    live = subjects.c.live_operation
    same.append(live.is_(None) if row["live_operation"] is None else live == row["live_operation"])
    return tx.execute(subjects.update().where(*same).values(**values)).rowcount == 1


def adopt_operation(tx: Tx, row: Mapping[Any, Any]) -> bool:
    """Make a living operation the one of its subject that has none; tell whether it is."""
    its = (subjects.c.kind == row["subject_kind"], subjects.c.id == row["subject_id"])
    change = subjects.update().where(*its, subjects.c.live_operation.is_(None))
    if row["known_subject"] is not None:
        return tx.execute(change.values(live_operation=row["id"])).rowcount == 1
    fresh = {"kind": row["subject_kind"], "id": row["subject_id"], "live_operation": row["id"]}
    tx.execute(subjects.insert().values(**fresh, children=0, closed=False, fence=row["fence_base"] + row["lease_number"]))
    return True


def wake_forgotten(tx: Tx, operation_id: str) -> bool:
    """Make one operation due that sleeps for ever; tell whether it slept."""
    asleep = (operations.c.id == operation_id, operations.c.wake_at.is_(None), operations.c.ended_at.is_(None))
    return tx.execute(operations.update().where(*asleep).values(wake_at=clock.now_sql(tx.database))).rowcount == 1


# -- daemons and guests ----------------------------------------------------------------------------------------------


def old_services(tx: Tx, before: float) -> Sequence[Row]:
    """Read control daemons that gave no sign of life since that wall time."""
    return _rows(tx, sa.select(services).where(services.c.updated_at < before).order_by(services.c.number))


def select_strangers(tx: Tx, host: str | None = None) -> Sequence[Row]:
    """Read the guests that no record explains."""
    query = sa.select(strangers).order_by(strangers.c.host, strangers.c.server_id)
    return tx.execute(query if host is None else query.where(strangers.c.host == host)).mappings().all()


def explained_guests(tx: Tx, host: str, ids: Collection[str], ended_s: float) -> frozenset[str]:
    """Of some guests of a host give those that a record explains.

    That is a server there, a claim, a removal that is owed, an operation in hand, or an end within so many seconds,
    by the journal's clock: conductors may differ in their times of day.
    """
    ended_ago = clock.now_sql(tx.database) - servers.c.touched_at  # negative: before the machine's reboot (SQLite)
    of_server = sa.select(servers.c.id).where(
        servers.c.id.in_(ids),
        sa.or_(
            sa.and_(servers.c.host == host, servers.c.state != "deleted"),
            sa.and_(servers.c.state == "deleted", ended_ago >= 0.0, ended_ago <= ended_s),
        ),
    )
    of_claim = sa.select(claims.c.server_id).where(claims.c.server_id.in_(ids), claims.c.host == host)
    of_tombstone = sa.select(tombstones.c.server_id).where(tombstones.c.server_id.in_(ids), tombstones.c.host == host)
    of_operation = sa.select(subjects.c.id).where(
        subjects.c.kind == "server", subjects.c.id.in_(ids), subjects.c.live_operation.is_not(None)
    )
    return frozenset(
        str(found) for query in (of_server, of_claim, of_tombstone, of_operation) for found in tx.execute(query).scalars()
    )


def replace_strangers(tx: Tx, host: str, gone: Collection[str], fresh: Collection[str], wall: float) -> None:
    """Forget some strangers of a host and write others down."""
    if gone:
        tx.execute(strangers.delete().where(strangers.c.host == host, strangers.c.server_id.in_(sorted(gone))))
    for server_id in sorted(fresh):
        tx.execute(strangers.delete().where(strangers.c.host == host, strangers.c.server_id == server_id))
        tx.execute(strangers.insert().values(host=host, server_id=server_id, seen_at=wall))


def missing_guests(tx: Tx) -> Sequence[Row]:
    """Read servers whose host says that it has no such guest: id, host."""
    query = sa.select(servers.c.id, servers.c.host).where(
        servers.c.state.in_(("active", "stopped", "paused", "suspended", "rescued", "resized")),
        servers.c.power_state == 0,
        servers.c.host.is_not(None),
        ~_busy(servers.c.id),
    )
    return _rows(tx, query.order_by(servers.c.id))


def crashed_guests(tx: Tx) -> Sequence[Row]:
    """Read servers that are off because their guests crashed: id, host."""
    crashed = (servers.c.state == "stopped", servers.c.power_state == 6)
    return _rows(tx, sa.select(servers.c.id, servers.c.host).where(*crashed, ~_busy(servers.c.id)).order_by(servers.c.id))


def ownerless(tx: Tx) -> Sequence[Row]:
    """Read what belongs to projects that are gone, by kind and project, with a `count`; nothing where none is kept here."""
    if tx.execute(sa.select(projects.c.id).limit(1)).first() is None:
        return []
    owned = (
        ("server", servers.c.project_id, servers.c.state != "deleted"),
        ("image", images.c.owner, images.c.status != "deleted"),
        ("port", ports.c.project_id, sa.true()),
        ("server group", server_groups.c.project_id, sa.true()),
    )
    parts = [
        sa.select(sa.literal(kind).label("kind"), owner.label("project_id"), sa.func.count().label("count"))
        .where(owner.is_not(None), owner != "", alive, owner.not_in(sa.select(projects.c.id)))
        .group_by(owner)
        for kind, owner, alive in owned
    ]
    found = sa.union_all(*parts).subquery()
    return _rows(tx, sa.select(found).order_by(found.c.project_id, found.c.kind))


# -- repairs ---------------------------------------------------------------------------------------------------------


def insert_repair(tx: Tx, row: Mapping[str, Any]) -> None:
    """Write a repair down."""
    tx.execute(repairs.insert().values(**row))


def select_repairs(tx: Tx, limit: int) -> Sequence[Row]:
    """Read repairs, newest first."""
    return tx.execute(sa.select(repairs).order_by(repairs.c.id.desc()).limit(limit)).mappings().all()


def purge_repairs(tx: Tx, before: float) -> int:
    """Remove repairs made before that wall time; give their number."""
    return tx.execute(repairs.delete().where(repairs.c.repaired_at < before)).rowcount
