"""Queries on role assignments: those that can matter to a question, and whether anybody administers the cloud."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

import sqlalchemy as sa

from nova_lite.db.engine import Tx
from nova_lite.db.hierarchy import chunks
from nova_lite.db.tables.identity import assignments, group_members, projects, roles, users
from nova_lite.model.identity import Actor, Assignment, Target

_COLUMNS = [assignments.c[field.name] for field in dataclasses.fields(Assignment)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Places:
    """Where assignments may be: on projects, on a domain or the system; and above, from where they are inherited.

    None for `projects` and `sources` means anywhere.
    """

    kinds: Collection[str] = (Target.PROJECT, Target.DOMAIN, Target.SYSTEM)
    targets: Collection[str] | None = None
    sources: Collection[str] | None = None
    inherited: bool | None = None


def select(
    tx: Tx, places: Places, *, actors: Collection[tuple[str, Collection[str]]] = (), role_id: str | None = None
) -> list[Assignment]:
    """List the assignments in some places, of all or of some `actors` (pairs of a kind and ids)."""
    query = sa.select(*_COLUMNS).where(_there(places))
    if actors:
        held_by = [
            sa.and_(assignments.c.actor_kind == kind, sa.or_(*(assignments.c.actor_id.in_(part) for part in chunks(ids))))
            for kind, ids in actors
            if ids
        ]
        query = query.where(sa.or_(*held_by))
    if role_id is not None:
        query = query.where(assignments.c.role_id == role_id)
    return [Assignment(**row) for row in tx.execute(query.order_by(*_COLUMNS)).mappings()]


def _there(places: Places) -> sa.ColumnElement[bool]:
    direct = sa.and_(assignments.c.inherited.is_(False), assignments.c.target_kind.in_(list(places.kinds)))
    if places.targets is not None:
        direct = sa.and_(direct, _among(places.targets))
    above = assignments.c.inherited.is_(True)
    if places.sources is not None:
        above = sa.and_(above, _among(places.sources))
    return {True: above, False: direct, None: sa.or_(direct, above)}[places.inherited]


def _among(ids: Collection[str]) -> sa.ColumnElement[bool]:
    return sa.or_(sa.false(), *(assignments.c.target_id.in_(part) for part in chunks(ids)))


def members(tx: Tx, group_ids: Collection[str]) -> dict[str, list[str]]:
    """List the users of several groups, by group."""
    found: dict[str, list[str]] = {group_id: [] for group_id in group_ids}
    for part in chunks(group_ids):
        query = sa.select(group_members).where(group_members.c.group_id.in_(part)).order_by(group_members.c.user_id)
        for row in tx.execute(query):
            found[row.group_id].append(row.user_id)
    return found


def hold_admins(tx: Tx) -> None:
    """Keep other changes of who administers the cloud out until this transaction ends; SQLite's writers come one by one."""
    tx.execute(sa.select(roles.c.id).where(roles.c.name == "admin", roles.c.domain_id == "").with_for_update())


def has_admin(tx: Tx) -> bool:
    """Tell whether an enabled user can log in somewhere as an admin, by itself or through a group."""
    its_domain, target, target_domain = projects.alias(), projects.alias(), projects.alias()
    by_group = sa.and_(assignments.c.actor_kind == Actor.GROUP, group_members.c.group_id == assignments.c.actor_id)
    by_itself = sa.and_(assignments.c.actor_kind == Actor.USER, users.c.id == assignments.c.actor_id)
    direct = assignments.join(users, by_itself)
    grouped = assignments.join(group_members, by_group).join(users, users.c.id == group_members.c.user_id)
    for held in (direct, grouped):
        found = (
            held.join(roles, roles.c.id == assignments.c.role_id)
            .join(its_domain, its_domain.c.id == users.c.domain_id)
            .outerjoin(target, target.c.id == assignments.c.target_id)
            .outerjoin(target_domain, target_domain.c.id == target.c.domain_id)
        )
        open_target = sa.and_(target.c.enabled.is_(True), sa.or_(target.c.is_domain, target_domain.c.enabled.is_(True)))
        query = sa.select(users.c.id).select_from(found).where(
            roles.c.name == "admin",
            roles.c.domain_id == "",
            users.c.enabled.is_(True),
            its_domain.c.enabled.is_(True),
            assignments.c.inherited.is_(False),
            sa.or_(assignments.c.target_kind == Target.SYSTEM, open_target),
        )  # fmt: skip
        if tx.execute(query.limit(1)).first() is not None:
            return True
    return False
