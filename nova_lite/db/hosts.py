"""Queries on hosts, claims, tombstones and services."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from nova_lite.db import clock
from nova_lite.db.engine import Tx
from nova_lite.db.tables.inventory import claims, hosts, services, tombstones
from nova_lite.db.tables.journal import operations, signals, subjects
from nova_lite.db.tables.placement import aggregate_hosts
from nova_lite.db.tables.servers import servers
from nova_lite.model import wire
from nova_lite.model.host import FAILURES_BORNE, Host, HostFacts, Look
from nova_lite.model.ids import HostName, OperationId, ServerId
from nova_lite.model.resources import AMOUNTS, ClaimRole, Resources

Row = sa.RowMapping
ASIDE_S = 300.0  # a host's first time aside; each following one is twice as long
ASIDE_AT_MOST_S = 3600.0


def _age(tx: Tx, column: sa.Column[float]) -> sa.ColumnElement[float]:
    return clock.now_sql(tx.database) - column


def _same_boot(tx: Tx, column: sa.Column[Any]) -> sa.ColumnElement[bool]:
    """Whether a journal time can be compared: on SQLite it is of this boot of the machine."""
    boot = clock.boot_id(tx.database)
    return sa.true() if boot is None else column == boot


def insert_host(tx: Tx, name: HostName, *, zone: str, mac_key: str) -> None:
    """Add a host that has not registered yet."""
    number = tx.execute(sa.select(sa.func.coalesce(sa.func.max(hosts.c.number), 0))).scalar_one() + 1
    row = {"name": name, "uuid": str(uuid.uuid4()), "number": number, "zone": zone, "mac_key": mac_key}
    tx.execute(hosts.insert(), row)


def delete_host(tx: Tx, name: HostName) -> bool:
    """Forget a host, what it still owed, and its places in aggregates."""
    tx.execute(tombstones.delete().where(tombstones.c.host == name))
    tx.execute(aggregate_hosts.delete().where(aggregate_hosts.c.host == name))
    return tx.execute(hosts.delete().where(hosts.c.name == name)).rowcount == 1


def mac_key(tx: Tx, name: HostName) -> str | None:
    """Give the key with which a host's reports are signed; a secret."""
    return tx.execute(sa.select(hosts.c.mac_key).where(hosts.c.name == name)).scalar_one_or_none()


def select_hosts(tx: Tx, overdue_s: float, name: HostName | None = None) -> tuple[Host, ...]:
    """Read hosts with their tombstones and numbers of servers, by name."""
    owed = sa.select(tombstones.c.host, sa.func.count().label("owed")).group_by(tombstones.c.host).subquery()
    living = (
        sa.select(
            servers.c.host,
            sa.func.count().label("running"),
            sa.func.sum(sa.case((servers.c.state == "building", 1), else_=0)).label("building"),
        )
        .where(servers.c.state != "deleted", servers.c.host.is_not(None))
        .group_by(servers.c.host)
        .subquery()
    )
    query = (
        sa.select(
            hosts,
            sa.case((_same_boot(tx, hosts.c.seen_boot_id), _age(tx, hosts.c.last_seen_at)), else_=None).label("age"),
            sa.case((_is_aside(tx), hosts.c.set_aside_until - clock.now_sql(tx.database)), else_=None).label("aside_s"),
            sa.func.coalesce(owed.c.owed, 0).label("owed"),
            sa.func.coalesce(living.c.running, 0).label("running"),
            sa.func.coalesce(living.c.building, 0).label("building"),
        )
        .select_from(hosts.outerjoin(owed, owed.c.host == hosts.c.name).outerjoin(living, living.c.host == hosts.c.name))
        .where(hosts.c.facts.is_not(None))
        .order_by(hosts.c.name)
    )
    if name is not None:
        query = query.where(hosts.c.name == name)
    return tuple(_host(row, overdue_s) for row in tx.execute(query).mappings())


def select_sign_of_life(tx: Tx, name: HostName) -> Row | None:
    """Read a registered host's incarnation, whether it is forced down, and the age of its last sign of life (`age`)."""
    age = sa.case((_same_boot(tx, hosts.c.seen_boot_id), _age(tx, hosts.c.last_seen_at)), else_=None)
    query = sa.select(hosts.c.incarnation, hosts.c.forced_down, age.label("age"))
    return tx.execute(query.where(hosts.c.name == name, hosts.c.facts.is_not(None))).mappings().one_or_none()


def host_numbers(tx: Tx) -> dict[str, int]:
    """Give the integer id of each host, as old microversions show it."""
    return {row.name: row.number for row in tx.execute(sa.select(hosts.c.name, hosts.c.number))}


def _host(row: Row, overdue_s: float) -> Host:
    age = None if row["age"] is None else max(0.0, float(row["age"]))
    return Host(
        name=HostName(row["name"]),
        uuid=row["uuid"],
        facts=wire.from_plain(HostFacts, {**row["facts"], "zone": row["zone"]}),
        limit=amounts_of(row, "_limit"),
        used=amounts_of(row, "_used"),
        generation=row["generation"],
        incarnation=row["incarnation"],
        enabled=row["enabled"],
        disabled_reason=row["disabled_reason"],
        maintenance_since=row["maintenance_since"],
        forced_down=row["forced_down"],
        up=not row["forced_down"] and age is not None and age <= overdue_s,
        tombstones=int(row["owed"]),
        running=int(row["running"]),
        building=int(row["building"]),
        last_seen_age_s=age,
        failed_in_row=row["failed_in_row"],
        set_aside_s=None if row["aside_s"] is None else float(row["aside_s"]),
        last_failure=row["set_aside_reason"],
    )


def amounts_of(row: Row, ending: str = "") -> Resources:
    """Read amounts out of a row that has columns of their names with that ending."""
    return Resources(**{name: int(row[f"{name}{ending}"]) for name in AMOUNTS})


def update_host(tx: Tx, name: HostName, **columns: Any) -> bool:
    """Change columns of a host; its generation rises."""
    change = hosts.update().where(hosts.c.name == name).values(**columns, generation=hosts.c.generation + 1)
    return tx.execute(change).rowcount == 1


def change_facts(tx: Tx, name: HostName, facts: HostFacts, limit: Resources) -> None:
    """Write what a running host says of itself by now."""
    update_host(tx, name, facts=wire.to_plain(facts), **_limit(limit))


def register(tx: Tx, name: HostName, facts: HostFacts, limit: Resources, wall: float) -> int | None:
    """Write what a starting host says of itself and raise its incarnation. Gives it, or None for an unknown host."""
    changed = update_host(
        tx,
        name,
        facts=wire.to_plain(facts),
        **_limit(limit),
        incarnation=hosts.c.incarnation + 1,
        last_seen_at=clock.now_sql(tx.database),
        seen_boot_id=clock.boot_id(tx.database),
        updated_at=wall,
    )
    if not changed:
        return None
    return tx.execute(sa.select(hosts.c.incarnation).where(hosts.c.name == name)).scalar_one()


def beat(tx: Tx, name: HostName, look: Look, wall: float) -> bool:
    """Note a sign of life of the present incarnation with a newer look than any before; the generation stays."""
    change = hosts.update().where(hosts.c.name == name, hosts.c.incarnation == look.incarnation)
    if look.number is not None:
        newer = sa.or_(hosts.c.look_incarnation.is_distinct_from(look.incarnation), hosts.c.look_number < look.number)
        change = change.where(newer).values(look_incarnation=look.incarnation, look_number=look.number)
    values = {"last_seen_at": clock.now_sql(tx.database), "seen_boot_id": clock.boot_id(tx.database), "updated_at": wall}
    return tx.execute(change.values(values)).rowcount == 1


def last_look(tx: Tx, name: HostName) -> Look | None:
    """Give the newest look of the present incarnation that a heartbeat told of; None for a host that nobody added."""
    query = sa.select(hosts.c.incarnation, hosts.c.look_incarnation, hosts.c.look_number).where(hosts.c.name == name)
    row = tx.execute(query).one_or_none()
    if row is None:
        return None
    return Look(incarnation=row.incarnation, number=row.look_number if row.look_incarnation == row.incarnation else None)


def reported_look(tx: Tx, server_id: ServerId, incarnation: int) -> int:
    """Give the newest look of this incarnation that the reports on a server tell of; 0 when they tell of none."""
    query = (
        sa.select(signals.c.body)
        .join(operations, operations.c.id == signals.c.operation_id)
        .where(operations.c.subject_kind == "server", operations.c.subject_id == server_id, signals.c.name == "report")
    )
    bodies = tx.execute(query).scalars()
    return max((body.get("look") or 0 for body in bodies if body.get("look_incarnation") == incarnation), default=0)


def take(tx: Tx, host: HostName, asked: Resources, *, zone: str | None = None) -> bool:
    """Add to what is used of a host that takes servers, if all of it fits: the one conditional UPDATE of a claim."""
    change = (
        hosts.update()
        .where(
            hosts.c.name == host,
            hosts.c.enabled,
            sa.not_(hosts.c.forced_down),
            *_room_for(asked),
        )
        .values(_used(asked, 1))
    )
    if zone is not None:
        change = change.where(hosts.c.zone == zone)
    return tx.execute(change).rowcount == 1


def count_failure(tx: Tx, host: HostName, why: str) -> bool:
    """Count a failed build of a host that is not set aside yet; set it aside when that was one too many, and say so then."""
    more = {"failed_in_row": hosts.c.failed_in_row + 1, "set_aside_reason": why}
    if not tx.execute(hosts.update().where(hosts.c.name == host, sa.not_(_is_aside(tx))).values(more)).rowcount:
        return False
    return _set_aside(tx, host)


def begin_trial(tx: Tx, host: HostName) -> bool:
    """Set a host that is on trial aside again, for longer, until its one build has worked; False when it is not on trial."""
    more = {"failed_in_row": hosts.c.failed_in_row + 1}
    due = (hosts.c.name == host, hosts.c.failed_in_row >= FAILURES_BORNE, sa.not_(_is_aside(tx)))
    return tx.execute(hosts.update().where(*due).values(more)).rowcount == 1 and _set_aside(tx, host)


def forget_failures(tx: Tx, host: HostName) -> None:
    """Count anew after a good build."""
    anew = {"failed_in_row": 0, "set_aside_until": None, "set_aside_reason": None}
    tx.execute(hosts.update().where(hosts.c.name == host, hosts.c.failed_in_row > 0).values(anew))


def _set_aside(tx: Tx, host: HostName) -> bool:
    """Set a host aside that failed too often, for a time that doubles with each failure."""
    lengths = {FAILURES_BORNE + times: min(ASIDE_S * 2**times, ASIDE_AT_MOST_S) for times in range(5)}
    length = sa.case(lengths, value=hosts.c.failed_in_row, else_=ASIDE_AT_MOST_S)
    change = hosts.update().where(hosts.c.name == host, hosts.c.failed_in_row >= FAILURES_BORNE)
    return tx.execute(change.values(set_aside_until=clock.now_sql(tx.database) + length)).rowcount == 1


def _is_aside(tx: Tx) -> sa.ColumnElement[bool]:
    """Whether a host is set aside now. A time too far off is of another boot of the machine (SQLite) and means nothing."""
    left = sa.func.coalesce(hosts.c.set_aside_until, 0.0) - clock.now_sql(tx.database)
    return sa.and_(hosts.c.set_aside_until.is_not(None), left > 0.0, left <= ASIDE_AT_MOST_S)


def give_back(tx: Tx, host: HostName, amount: Resources) -> None:
    """Subtract from what is used of a host."""
    tx.execute(hosts.update().where(hosts.c.name == host).values(_used(amount, -1)))


def _used(amount: Resources, sign: int) -> dict[str, Any]:
    """Name the columns that change; what is not touched costs no expression."""
    changed = {f"{name}_used": hosts.c[f"{name}_used"] + sign * value for name in AMOUNTS if (value := getattr(amount, name))}
    return {**changed, "generation": hosts.c.generation + 1}


def _limit(limit: Resources) -> dict[str, int]:
    return {f"{name}_limit": getattr(limit, name) for name in AMOUNTS}


def _room_for(asked: Resources) -> Iterator[sa.ColumnElement[bool]]:
    """Say that what is asked fits under each limit; of what is not asked there may be too little already."""
    for name in AMOUNTS:
        if amount := getattr(asked, name):
            yield hosts.c[f"{name}_used"] + amount <= hosts.c[f"{name}_limit"]


def insert_claim(tx: Tx, server_id: ServerId, role: ClaimRole, host: HostName, amount: Resources, wall: float) -> None:
    """Write down what a server holds on a host."""
    row = {"server_id": server_id, "role": role.value, "host": host, "created_at": wall}
    tx.execute(claims.insert(), row | wire.to_plain(amount))


def select_claims(tx: Tx, server_id: ServerId | None = None) -> Sequence[Row]:
    """Read claims of one server, or all."""
    query = sa.select(claims)
    if server_id is not None:
        query = query.where(claims.c.server_id == server_id)
    return tx.execute(query).mappings().all()


def update_claim_role(tx: Tx, server_id: ServerId, role: ClaimRole, into: ClaimRole) -> bool:
    """Give a claim another role; False when there is none of that role."""
    change = claims.update().where(claims.c.server_id == server_id, claims.c.role == role.value)
    return tx.execute(change.values(role=into.value)).rowcount == 1


def delete_claim(tx: Tx, server_id: ServerId, role: str) -> bool:
    """Remove one claim row; False when another was faster."""
    change = claims.delete().where(claims.c.server_id == server_id, claims.c.role == role)
    return tx.execute(change).rowcount == 1


def orphan_claims(tx: Tx) -> Sequence[Row]:
    """Find claims that neither a live operation nor a settled state owns."""
    query = (
        sa.select(claims)
        .select_from(
            claims.outerjoin(servers, servers.c.id == claims.c.server_id).outerjoin(
                subjects, sa.and_(subjects.c.kind == "server", subjects.c.id == claims.c.server_id)
            )
        )
        .where(
            subjects.c.live_operation.is_(None),
            sa.or_(
                servers.c.id.is_(None),
                servers.c.state == "deleted",
                servers.c.host.is_(None),
                sa.and_(claims.c.role == ClaimRole.CURRENT.value, claims.c.host != servers.c.host),
                sa.and_(claims.c.role != ClaimRole.CURRENT.value, servers.c.state != "resized"),
            ),
        )
    )
    return tx.execute(query).mappings().all()


def used_by_claims(tx: Tx) -> dict[str, Resources]:
    """Add up the claims of each host."""
    sums = [sa.func.sum(claims.c[name]).label(name) for name in AMOUNTS]
    query = sa.select(claims.c.host, *sums).group_by(claims.c.host)
    return {row["host"]: amounts_of(row) for row in tx.execute(query).mappings()}


def set_used(tx: Tx, host: HostName, amount: Resources, *, generation: int) -> bool:
    """Correct what is used of a host, unless it changed since `generation` was read."""
    change = (
        hosts.update()
        .where(hosts.c.name == host, hosts.c.generation == generation)
        .values(
            **{f"{name}_used": getattr(amount, name) for name in AMOUNTS},
            generation=hosts.c.generation + 1,
        )
    )
    return tx.execute(change).rowcount == 1


def put_tombstone(tx: Tx, host: HostName, server_id: ServerId, pair: tuple[int, int], wall: float) -> None:
    """Note a removal that a host owes; a higher pair replaces a lower one."""
    key = (tombstones.c.host == host, tombstones.c.server_id == server_id)
    tx.execute(tombstones.delete().where(*key))
    row = {"host": host, "server_id": server_id, "fence": pair[0], "turn": pair[1], "created_at": wall}
    tx.execute(tombstones.insert(), row)


def select_tombstones(tx: Tx, host: HostName) -> Sequence[Row]:
    """Read what a host owes."""
    return tx.execute(sa.select(tombstones).where(tombstones.c.host == host)).mappings().all()


def drop_tombstone(tx: Tx, host: HostName, server_id: ServerId, pair: tuple[int, int]) -> None:
    """Strike out a removal that was done, unless a higher pair is owed by now."""
    tx.execute(
        tombstones.delete().where(
            tombstones.c.host == host,
            tombstones.c.server_id == server_id,
            tombstones.c.fence == pair[0],
            tombstones.c.turn == pair[1],
        )
    )


def live_operations_on(tx: Tx, host: HostName) -> tuple[OperationId, ...]:
    """Find the live operations of servers that hold something on a host."""
    query = (
        sa.select(subjects.c.live_operation)
        .select_from(subjects.join(claims, sa.and_(subjects.c.kind == "server", subjects.c.id == claims.c.server_id)))
        .where(claims.c.host == host, subjects.c.live_operation.is_not(None))
    )
    return tuple(OperationId(value) for value in tx.execute(query).scalars())


def servers_on(tx: Tx, host: HostName) -> Sequence[Row]:
    """Read the settled servers of a host that no operation is changing: id, state, power state, seconds since the last change.

    `rests_s` is None when nobody knows; negative when the change was before SQLite's machine was rebooted.
    """
    rests = (clock.now_sql(tx.database) - servers.c.touched_at).label("rests_s")
    query = (
        sa.select(servers.c.id, servers.c.state, servers.c.power_state, rests)
        .select_from(servers.outerjoin(subjects, sa.and_(subjects.c.kind == "server", subjects.c.id == servers.c.id)))
        .where(servers.c.host == host, servers.c.state != "deleted", subjects.c.live_operation.is_(None))
    )
    return tx.execute(query).mappings().all()


def servers_holding(tx: Tx, host: HostName) -> tuple[ServerId, ...]:
    """List the servers, not deleted, that are on a host or hold room there."""
    held = sa.select(claims.c.server_id).where(claims.c.host == host)
    query = sa.select(servers.c.id).where(servers.c.state != "deleted", sa.or_(servers.c.host == host, servers.c.id.in_(held)))
    return tuple(ServerId(one) for one in tx.execute(query.order_by(servers.c.id)).scalars())


def beat_service(tx: Tx, binary: str, host: str, wall: float) -> None:
    """Note that a control daemon lives; its row is made at the first beat.

    Several daemons of a kind on one machine share a row, and start together: one that comes second finds it.
    """
    now, boot = clock.now_sql(tx.database), clock.boot_id(tx.database)
    key = (services.c.binary == binary, services.c.host == host)
    values = {"last_seen_at": now, "seen_boot_id": boot, "updated_at": wall}
    for last in (False, False, True):
        if tx.execute(services.update().where(*key).values(values)).rowcount:
            return
        number = tx.execute(sa.select(sa.func.coalesce(sa.func.max(services.c.number), 0))).scalar_one() + 1
        row = {"uuid": str(uuid.uuid4()), "number": number, "binary": binary, "host": host}
        try:
            with tx.part(exc.IntegrityError):
                tx.execute(services.insert().values(row | values))
            return
        except exc.IntegrityError:
            if last:
                raise


def select_services(tx: Tx, overdue_s: float) -> Sequence[Row]:
    """Read control daemons, each with `up`."""
    fresh = sa.and_(_same_boot(tx, services.c.seen_boot_id), _age(tx, services.c.last_seen_at) <= overdue_s)
    return tx.execute(sa.select(services, fresh.label("up")).order_by(services.c.number)).mappings().all()


def update_service(tx: Tx, service_uuid: str, **columns: Any) -> bool:
    """Change columns of a control daemon's row."""
    return tx.execute(services.update().where(services.c.uuid == service_uuid).values(**columns)).rowcount == 1


def delete_service(tx: Tx, service_uuid: str) -> bool:
    """Forget a control daemon; it comes back with its next beat."""
    return tx.execute(services.delete().where(services.c.uuid == service_uuid)).rowcount == 1
