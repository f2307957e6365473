"""Reads the database of a Keystone, whatever its release: tables and columns are looked up, nothing is written."""

from __future__ import annotations

import datetime
import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from nova_lite import errors
from nova_lite.model import identity
from nova_lite.model.delegation import StoredCredential
from nova_lite.model.imported import Records, parents_first
from nova_lite.model.limits import Limit, RegisteredLimit

ROOT_DOMAIN, NO_DOMAIN = "<<keystone.domain.root>>", "<<null>>"
NEEDED = ("project", "user", "local_user", "password", "role", "assignment")
# assignment.type and system_assignment.type -> who, where
KINDS = {
    f"{actor.capitalize()}{target.capitalize()}": (actor, target) for actor in identity.Actor for target in identity.Target
}
USER_OPTIONS = {
    "1000": "ignore_change_password_upon_first_use",
    "1001": "ignore_password_expiry",
    "1002": "ignore_lockout_failure_attempts",
    "1003": "lock_password",
    "1004": "ignore_user_inactivity",
    "MFAR": "multi_factor_auth_rules",
    "MFAE": "multi_factor_auth_enabled",
}
# tables whose rows stay behind -> what they are
NOT_TAKEN = {
    "trust": "trusts",
    "consumer": "OAuth consumers",
    "policy": "policies",
    "endpoint_group": "endpoint groups",
    "project_endpoint": "endpoints of single projects",
}


def read(url: str, now: float) -> Records:
    """Read everything. `now` is when records without a date were made. Blobs of stored credentials are as they are there.

    Raises: ConfigError for a URL that is none, or a database that is no Keystone's; Unavailable when it does not answer.
    """
    try:
        engine = sa.create_engine(url)
    except (exc.ArgumentError, ImportError) as error:
        raise errors.ConfigError("--database: SQLAlchemy cannot use this URL.") from error
    try:
        with engine.connect() as connection:
            return _Reader(connection, now).read()
    except exc.SQLAlchemyError as error:
        raise errors.Unavailable("Keystone's database cannot be read.") from error
    finally:
        engine.dispose()


class _Reader:
    """One reading."""

    def __init__(self, connection: sa.Connection, now: float) -> None:
        self._connection = connection
        self._now = now
        tables = sa.MetaData()
        tables.reflect(bind=connection)
        self._tables = tables.tables
        missing = [name for name in NEEDED if name not in self._tables]
        if missing:
            raise errors.ConfigError(f"--database: this is no Keystone's database; it has no table {missing[0]}.")

    def read(self) -> Records:
        records = Records()
        records.projects = parents_first(list(self._projects()))
        records.users = list(self._users(records))
        records.groups = [
            identity.Group(
                id=row["id"], name=row["name"], domain_id=row["domain_id"], description=row["description"], extra=_extra(row)
            )
            for row in self._rows("group")
        ]
        records.members = [(row["group_id"], row["user_id"]) for row in self._rows("user_group_membership")]
        records.roles = [
            identity.Role(
                id=row["id"],
                name=row["name"],
                domain_id="" if row.get("domain_id") in (None, NO_DOMAIN) else row["domain_id"],
                description=row.get("description"),
                extra=_extra(row),
            )
            for row in self._rows("role")
        ]
        records.implications = [(row["prior_role_id"], row["implied_role_id"]) for row in self._rows("implied_role")]
        records.assignments = list(self._assignments(records))
        records.access_rules = [_access_rule(row) for row in self._rows("access_rule")]
        records.credentials = list(self._credentials(records))
        records.stored = [
            StoredCredential(
                id=row["id"],
                user_id=row["user_id"],
                project_id=row["project_id"],
                type=row["type"],
                blob=row.get("encrypted_blob") or "",
            )
            for row in self._rows("credential")
        ]
        self._read_catalog(records)
        self._read_limits(records)
        self._note_what_stays(records)
        return records

    def _rows(self, name: str) -> Iterator[dict[str, Any]]:
        """Give the rows of a table; none when this release has no such table."""
        table = self._tables.get(name)
        if table is None:
            return
        for row in self._connection.execute(sa.select(table)).mappings():
            yield {str(key): value for key, value in row.items()}

    def _gathered(self, table: str, key: str, value: str) -> dict[Any, list[Any]]:
        found: dict[Any, list[Any]] = defaultdict(list)
        for row in self._rows(table):
            found[row[key]].append(row[value])
        return dict(found)

    def _projects(self) -> Iterator[identity.Project]:
        tags = self._gathered("project_tag", "project_id", "name")
        for row in self._rows("project"):
            if row["id"] == ROOT_DOMAIN:
                continue
            is_domain = bool(row["is_domain"])
            yield identity.Project(
                id=row["id"],
                name=row["name"],
                domain_id="" if is_domain else row["domain_id"],
                parent_id=None if is_domain else row["parent_id"] or row["domain_id"],
                is_domain=is_domain,
                description=row["description"],
                enabled=bool(row["enabled"]),
                extra=_extra(row) | ({"tags": sorted(tags[row["id"]])} if row["id"] in tags else {}),
                created_at=self._now,
            )

    def _users(self, records: Records) -> Iterator[identity.User]:
        """Give users that are Keystone's own, each with its newest password."""
        local = {row["user_id"]: row for row in self._rows("local_user")}
        passwords: dict[int, dict[str, Any]] = {}
        for row in sorted(self._rows("password"), key=lambda row: (row.get("created_at_int") or 0, row["id"])):
            passwords[row["local_user_id"]] = row
        options: dict[str, dict[str, Any]] = defaultdict(dict)
        for row in self._rows("user_option"):
            if row["option_id"] in USER_OPTIONS:
                options[row["user_id"]][USER_OPTIONS[row["option_id"]]] = json.loads(row["option_value"])
        for row in self._rows("user"):
            own = local.get(row["id"])
            if own is None:
                records.left.append(f"User {row['id']} comes from another directory (LDAP or federation).")
                continue
            password = passwords.get(own["id"], {})
            yield identity.User(
                id=row["id"],
                name=own["name"],
                domain_id=row["domain_id"],
                enabled=row["enabled"] is not False,
                password_hash=password.get("password_hash"),
                password_created_at=_micros(password.get("created_at_int")),
                password_expires_at=_micros(password.get("expires_at_int")),
                default_project_id=row["default_project_id"],
                extra=_extra(row),
                options=options[row["id"]],
                created_at=_epoch(row.get("created_at")) or self._now,
            )

    def _assignments(self, records: Records) -> Iterator[identity.Assignment]:
        for row in (*self._rows("assignment"), *self._rows("system_assignment")):
            if row["type"] not in KINDS:
                records.left.append(f"An assignment of the kind {row['type']} is unknown.")
                continue
            actor, target = KINDS[row["type"]]
            yield identity.Assignment(
                actor_kind=actor,
                actor_id=row["actor_id"],
                target_kind=target,
                target_id=identity.SYSTEM if target == identity.Target.SYSTEM else row["target_id"],
                role_id=row["role_id"],
                inherited=bool(row["inherited"]),
            )

    def _credentials(self, records: Records) -> Iterator[identity.ApplicationCredential]:
        roles = self._gathered("application_credential_role", "application_credential_id", "role_id")
        chosen = self._gathered("application_credential_access_rule", "application_credential_id", "access_rule_id")
        rules = {row["id"]: row for row in self._rows("access_rule")}
        for row in self._rows("application_credential"):
            if row["project_id"] is None:
                records.left.append(f"Application credential {row['id']} is not for a project.")
                continue
            own = [_access_rule(rules[one]) for one in chosen.get(row["internal_id"], ()) if one in rules]
            yield identity.ApplicationCredential(
                id=row["id"],
                name=row["name"],
                user_id=row["user_id"],
                project_id=row["project_id"],
                secret_hash=row["secret_hash"],
                description=row["description"],
                expires_at=_micros(row["expires_at"]),
                unrestricted=bool(row["unrestricted"]),
                roles=roles.get(row["internal_id"], []),
                access_rules=[{"id": one.id, "service": one.service, "method": one.method, "path": one.path} for one in own]
                or None,
                created_at=self._now,
            )

    def _read_catalog(self, records: Records) -> None:
        records.regions = [
            identity.Region(id=row["id"], description=row["description"], parent_region_id=row["parent_region_id"])
            for row in self._rows("region")
        ]
        for row in self._rows("service"):
            extra = _extra(row)
            service = identity.CatalogService(
                id=row["id"],
                type=row["type"] or "",
                name=str(extra.get("name", "")),
                description=extra.get("description"),
                enabled=bool(row["enabled"]),
            )
            records.services.append(service)
        records.endpoints = [
            identity.CatalogEndpoint(
                id=row["id"],
                service_id=row["service_id"],
                interface=row["interface"],
                url=row["url"],
                region_id=row["region_id"],
                enabled=bool(row["enabled"]),
            )
            for row in self._rows("endpoint")
        ]

    def _read_limits(self, records: Records) -> None:
        registered = {row["id"]: row for row in self._rows("registered_limit")}
        records.registered_limits = [
            RegisteredLimit(
                id=row["id"],
                service_id=row["service_id"] or "",
                region_id=row["region_id"] or "",
                resource_name=row["resource_name"],
                default_limit=row["default_limit"],
                description=row["description"],
            )
            for row in registered.values()
        ]
        records.limits = [
            Limit(
                id=row["id"],
                registered_limit_id=row["registered_limit_id"],
                project_id=row["project_id"] or "",
                domain_id=row["domain_id"] or "",
                resource_limit=row["resource_limit"],
                description=row["description"],
            )
            for row in self._rows("limit")
        ]

    def _note_what_stays(self, records: Records) -> None:
        for table, what in NOT_TAKEN.items():
            count = sum(1 for row in self._rows(table) if row.get("deleted_at") is None)
            if count:
                records.left.append(f"Not taken over: {what} ({count}).")


def _access_rule(row: dict[str, Any]) -> identity.AccessRule:
    return identity.AccessRule(
        id=row["external_id"], user_id=row["user_id"], service=row["service"], method=row["method"], path=row["path"]
    )


def _extra(row: dict[str, Any]) -> dict[str, Any]:
    """Read the attributes that have no column; what is damaged counts as none."""
    try:
        value = json.loads(row.get("extra") or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _micros(value: int | None) -> float | None:
    return None if value is None else value / 1e6


def _epoch(value: datetime.datetime | None) -> float | None:
    return None if value is None else value.replace(tzinfo=datetime.UTC).timestamp()
