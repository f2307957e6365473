"""Queries on domains, projects, users, groups, roles, credentials, the catalog and revocations."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Collection, Iterable
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy import exc

from nova_lite import errors
from nova_lite.db.engine import Tx
from nova_lite.db.tables import identity as tables
from nova_lite.model import identity as model

T = TypeVar("T")
REVOCATIONS_LOCK = 0x6E6F7672  # an advisory lock of PostgreSQL
OVERLAP = 500  # ids of revocations may become visible out of order


class Rows(Generic[T]):
    """A table whose columns are the fields of one of the model's classes."""

    def __init__(self, table: sa.Table, make: type[T], noun: str) -> None:
        """`noun` is used in messages."""
        self.table = table
        self.noun = noun
        self._make = make
        self._columns = [table.c[field.name] for field in dataclasses.fields(make)]  # type: ignore[arg-type]
        self._queries: dict[tuple[tuple[str, bool, bool], ...], sa.Select[Any]] = {}
        self._order = [table.c[name] for name in ("name", "id") if name in table.c] or [*table.primary_key.columns][:1]

    def find(self, tx: Tx, key: str) -> T | None:
        """Read one by id."""
        return self.find_by(tx, id=key)

    def get(self, tx: Tx, key: str) -> T:
        """Read one by id. Raises: NotFound."""
        found = self.find(tx, key)
        if found is None:
            raise errors.NotFound(f"Could not find {self.noun}: {key[:255]}.")
        return found

    def hold(self, tx: Tx, key: str) -> T:
        """Read one by id that no other transaction changes until this one ends. Raises: NotFound."""
        tx.execute(sa.select(self.table.c.id).where(self.table.c.id == key).with_for_update())
        return self.get(tx, key)

    def find_by(self, tx: Tx, **equal: Any) -> T | None:
        """Read the first that has these values."""
        found = self.list_by(tx, **equal)
        return found[0] if found else None

    def list_by(self, tx: Tx, **equal: Any) -> list[T]:
        """List those that have these values, by name where there is one. A list of values means any of them."""
        query, given = self._asked(equal)
        return self._read(tx, query, given)

    def page_by(self, tx: Tx, *, after: str | None, most: int, **equal: Any) -> list[T]:
        """List at most so many of what `list_by` lists, those that come after the one with this id; it is a table with names.

        Raises: NotFound when that one is not among them.
        """
        query, given = self._asked(equal)
        if after is not None:
            last: Any = self.find_by(tx, id=after, **{name: value for name, value in equal.items() if name != "id"})
            if last is None or equal.get("id", after) != after:
                raise errors.NotFound(f"Could not find marker: {after[:64]}.")
            name, key = self.table.c.name, self.table.c.id
            query = query.where((name > last.name) | ((name == last.name) & (key > last.id)))
        return self._read(tx, query.limit(most), given)

    def _read(self, tx: Tx, query: sa.Select[Any], given: dict[str, Any]) -> list[T]:
        return [self._make(**row) for row in tx.execute(query, given).mappings()]

    def _asked(self, equal: dict[str, Any]) -> tuple[sa.Select[Any], dict[str, Any]]:
        """Give the query for columns with these values, and the values."""
        given = {name: list(value) if isinstance(value, tuple | set) else value for name, value in equal.items()}
        shape = tuple((name, isinstance(value, list), value is None) for name, value in given.items())
        query = self._queries.get(shape)
        if query is None:
            query = self._queries[shape] = self._query(shape)
        return query, given

    def _query(self, shape: tuple[tuple[str, bool, bool], ...]) -> sa.Select[Any]:
        """Write the query for some columns once: building it costs as much as running it."""
        query = sa.select(*self._columns).order_by(*self._order)
        for name, several, nothing in shape:
            column = self.table.c[name]
            if nothing:
                query = query.where(column.is_(None))
            elif several:
                query = query.where(column.in_(sa.bindparam(name, expanding=True, type_=column.type)))
            else:
                query = query.where(column == sa.bindparam(name, type_=column.type))
        return query

    def insert(self, tx: Tx, item: T) -> T:
        """Add one. Raises: Conflict when its id or name is taken."""
        try:
            tx.execute(self.table.insert(), {column.key: getattr(item, column.key) for column in self._columns})
        except exc.IntegrityError as error:
            raise errors.Conflict(f"A {self.noun} with this name or id exists already.") from error
        return item

    def update(self, tx: Tx, key: str, **columns: Any) -> T:
        """Change columns of one. Raises: NotFound; Conflict when the new name is taken."""
        if columns:
            try:
                tx.execute(self.table.update().where(self.table.c.id == key).values(**columns))
            except exc.IntegrityError as error:
                raise errors.Conflict(f"A {self.noun} with this name exists already.") from error
        return self.get(tx, key)

    def delete(self, tx: Tx, key: str) -> None:
        """Remove one. Raises: NotFound."""
        if tx.execute(self.table.delete().where(self.table.c.id == key)).rowcount == 0:
            raise errors.NotFound(f"Could not find {self.noun}: {key[:255]}.")

    def delete_by(self, tx: Tx, **equal: Any) -> int:
        """Remove those that have these values; give how many."""
        statement = self.table.delete()
        for name, value in equal.items():
            statement = statement.where(self.table.c[name] == value)
        return int(tx.execute(statement).rowcount)


PROJECTS = Rows(tables.projects, model.Project, "project")
USERS = Rows(tables.users, model.User, "user")
GROUPS = Rows(tables.groups, model.Group, "group")
ROLES = Rows(tables.roles, model.Role, "role")
ASSIGNMENTS = Rows(tables.assignments, model.Assignment, "role assignment")
CREDENTIALS = Rows(tables.application_credentials, model.ApplicationCredential, "application credential")
ACCESS_RULES = Rows(tables.access_rules, model.AccessRule, "access rule")
REGIONS = Rows(tables.regions, model.Region, "region")
SERVICES = Rows(tables.catalog_services, model.CatalogService, "service")
ENDPOINTS = Rows(tables.catalog_endpoints, model.CatalogEndpoint, "endpoint")


def group_ids_of(tx: Tx, user_id: str) -> list[str]:
    """List the groups a user is in."""
    members = tables.group_members
    return list(tx.execute(sa.select(members.c.group_id).where(members.c.user_id == user_id)).scalars())


def member_ids_of(tx: Tx, group_id: str) -> list[str]:
    """List the users in a group."""
    members = tables.group_members
    return list(tx.execute(sa.select(members.c.user_id).where(members.c.group_id == group_id)).scalars())


def add_member(tx: Tx, group_id: str, user_id: str) -> None:
    """Put a user into a group. May be repeated."""
    if user_id not in member_ids_of(tx, group_id):
        _insert_once(tx, tables.group_members, {"group_id": group_id, "user_id": user_id})


def _insert_once(tx: Tx, table: sa.Table, row: dict[str, Any]) -> None:
    """Add a row, unless another request has just done so."""
    with contextlib.suppress(exc.IntegrityError), tx.part(exc.IntegrityError):
        tx.execute(table.insert(), row)


def remove_members(tx: Tx, *, group_id: str | None = None, user_id: str | None = None) -> int:
    """Take a user out of a group, everybody out of a group, or a user out of all; give how many memberships ended."""
    members = tables.group_members
    statement = members.delete()
    if group_id is not None:
        statement = statement.where(members.c.group_id == group_id)
    if user_id is not None:
        statement = statement.where(members.c.user_id == user_id)
    return int(tx.execute(statement).rowcount)


def implications(tx: Tx) -> list[tuple[str, str]]:
    """List pairs of role ids: who holds the first holds the second."""
    implied = tables.implied_roles
    query = sa.select(implied.c.prior_role_id, implied.c.implied_role_id)
    return [(prior, other) for prior, other in tx.execute(query)]


def add_implication(tx: Tx, prior_role_id: str, implied_role_id: str) -> None:
    """Let one role imply another. May be repeated."""
    if (prior_role_id, implied_role_id) not in implications(tx):
        _insert_once(tx, tables.implied_roles, {"prior_role_id": prior_role_id, "implied_role_id": implied_role_id})


def remove_implications(tx: Tx, prior_role_id: str, implied_role_id: str) -> int:
    """End an implication; give how many there were."""
    implied = tables.implied_roles
    pair = (implied.c.prior_role_id == prior_role_id) & (implied.c.implied_role_id == implied_role_id)
    return int(tx.execute(implied.delete().where(pair)).rowcount)


def forget_role(tx: Tx, role_id: str) -> None:
    """Remove what speaks of a role that goes."""
    implied = tables.implied_roles
    tx.execute(implied.delete().where((implied.c.prior_role_id == role_id) | (implied.c.implied_role_id == role_id)))
    ASSIGNMENTS.delete_by(tx, role_id=role_id)


def assignments_of_actors(tx: Tx, actors: Iterable[tuple[str, Collection[str]]]) -> list[model.Assignment]:
    """List what several actors hold: pairs of a kind and ids."""
    found: list[model.Assignment] = []
    for kind, ids in actors:
        if ids:
            found += ASSIGNMENTS.list_by(tx, actor_kind=kind, actor_id=list(ids))
    return found


def insert_revocation(tx: Tx, revocation: model.Revocation, now: float) -> None:
    """Write a revocation, and drop those whose tokens have expired by `now`.

    Ids rise in the order of the commits, and none is used again: the newest row is always kept.
    """
    _one_after_another(tx)
    tx.execute(tables.revocations.insert(), {key: value for key, value in vars(revocation).items() if key != "id"})
    tx.execute(tables.revocations.delete().where(tables.revocations.c.expires_at < now))


def _one_after_another(tx: Tx) -> None:
    """Keep other revocations out until this transaction ends; SQLite's writers come one by one in any case."""
    if tx.database.dialect == "postgresql":
        tx.execute(sa.select(sa.func.pg_advisory_xact_lock(REVOCATIONS_LOCK)))
    if tx.database.dialect == "mysql":  # its locks of that kind do not end with the transaction; the row is always there
        tx.execute(sa.select(tables.roles.c.id).where(tables.roles.c.name == "admin").with_for_update())


def newest_revocation(tx: Tx) -> int:
    """Give the id of the newest revocation, 0 when there is none."""
    return tx.execute(sa.select(sa.func.coalesce(sa.func.max(tables.revocations.c.id), 0))).scalar_one()


def revocations_since(tx: Tx, last_id: int) -> tuple[int, list[model.Revocation]]:
    """Read revocations after an id, some before it too; give the highest id read and what was found."""
    table = tables.revocations
    columns = (table.c.kind, table.c.value, table.c.issued_before, table.c.expires_at)
    rows = tx.execute(sa.select(table.c.id, *columns).where(table.c.id > last_id - OVERLAP)).all()
    found = [
        model.Revocation(id=row.id, kind=row.kind, value=row.value, issued_before=row.issued_before, expires_at=row.expires_at)
        for row in rows
    ]
    return max((row.id for row in rows), default=last_id), found
