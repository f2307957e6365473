"""Reads a Keystone through its API, as its administrator: all but passwords and secrets of application credentials."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

from nova_lite.identity.outside import Outside
from nova_lite.model import identity
from nova_lite.model.delegation import StoredCredential
from nova_lite.model.imported import Records, parents_first
from nova_lite.model.limits import Limit, RegisteredLimit

SHOWN = {"links", "id", "name", "domain_id", "enabled", "description", "options", "tags"}
OF_PROJECTS = SHOWN | {"parent_id", "is_domain"}
OF_USERS = (SHOWN | {"default_project_id", "password_expires_at"}) - {"description"}  # which is an extra of users


def read(admin: Outside, now: float) -> Records:
    """Read everything. `now` is when the records were made: Keystone does not say it. Raises: Forbidden; Unavailable."""
    records = Records()
    records.projects = parents_first(
        [_domain(one, now) for one in admin.list("domains")] + [_project(one, now) for one in admin.list("projects")]
    )
    records.users = [_user(one, now) for one in admin.list("users")]
    if records.users:
        records.left.append(
            "Passwords and application credentials: Keystone's API does not give them away; --database takes them over."
        )
    records.groups = [
        identity.Group(
            id=one["id"], name=one["name"], domain_id=one["domain_id"], description=one.get("description"), extra=_extra(one)
        )
        for one in admin.list("groups")
    ]
    records.members = [
        (group.id, user["id"]) for group in records.groups for user in admin.list("users", f"groups/{group.id}/users")
    ]
    records.roles = list(_roles(admin, records.projects))
    records.implications = [
        (one["prior_role"]["id"], implied["id"])
        for one in admin.get("role_inferences")["role_inferences"]
        for implied in one["implies"]
    ]
    records.assignments = [_assignment(one) for one in admin.list("role_assignments")]
    records.stored = [
        StoredCredential(
            id=one["id"], user_id=one["user_id"], project_id=one.get("project_id"), type=one["type"], blob=one["blob"]
        )
        for one in admin.list("credentials")
    ]
    _read_catalog(admin, records)
    _read_limits(admin, records)
    given = sum(1 for _ in admin.list("trusts", "OS-TRUST/trusts"))
    if given:
        records.left.append(f"Not taken over: trusts ({given}).")
    return records


def _extra(one: dict[str, Any], shown: set[str] = SHOWN) -> dict[str, Any]:
    return {name: value for name, value in one.items() if name not in shown}


def _extra_of_project(one: dict[str, Any]) -> dict[str, Any]:
    tags = {"tags": sorted(one["tags"])} if one.get("tags") else {}
    return _extra(one, OF_PROJECTS) | tags


def _domain(one: dict[str, Any], now: float) -> identity.Project:
    return identity.Project(
        id=one["id"],
        name=one["name"],
        domain_id="",
        is_domain=True,
        description=one.get("description"),
        enabled=one["enabled"],
        extra=_extra_of_project(one),
        created_at=now,
    )


def _project(one: dict[str, Any], now: float) -> identity.Project:
    return identity.Project(
        id=one["id"],
        name=one["name"],
        domain_id=one["domain_id"],
        parent_id=one.get("parent_id") or one["domain_id"],
        description=one.get("description"),
        enabled=one["enabled"],
        extra=_extra_of_project(one),
        created_at=now,
    )


def _user(one: dict[str, Any], now: float) -> identity.User:
    return identity.User(
        id=one["id"],
        name=one["name"],
        domain_id=one["domain_id"],
        enabled=one["enabled"],
        default_project_id=one.get("default_project_id"),
        password_expires_at=_moment(one.get("password_expires_at")),
        extra=_extra(one, OF_USERS),
        options=one.get("options") or {},
        created_at=now,
    )


def _moment(text: str | None) -> float | None:
    return None if text is None else datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC).timestamp()


def _roles(admin: Outside, projects: list[identity.Project]) -> Iterator[identity.Role]:
    """Give the global roles, then those of each domain: one list has not both."""
    of_domains = [{"domain_id": one.id} for one in projects if one.is_domain]
    for query in ({}, *of_domains):
        for one in admin.list("roles", **query):
            yield identity.Role(
                id=one["id"],
                name=one["name"],
                domain_id=one.get("domain_id") or "",
                description=one.get("description"),
                extra=_extra(one),
            )


def _assignment(one: dict[str, Any]) -> identity.Assignment:
    actor = identity.Actor.USER if "user" in one else identity.Actor.GROUP
    scope = one["scope"]
    target = next(kind for kind in identity.Target if kind in scope)
    return identity.Assignment(
        actor_kind=actor,
        actor_id=one[actor]["id"],
        target_kind=target,
        target_id=identity.SYSTEM if target == identity.Target.SYSTEM else scope[target]["id"],
        role_id=one["role"]["id"],
        inherited="OS-INHERIT:inherited_to" in scope,
    )


def _read_catalog(admin: Outside, records: Records) -> None:
    records.regions = [
        identity.Region(id=one["id"], description=one.get("description"), parent_region_id=one.get("parent_region_id"))
        for one in admin.list("regions")
    ]
    records.services = [
        identity.CatalogService(
            id=one["id"], type=one["type"], name=one.get("name", ""), description=one.get("description"), enabled=one["enabled"]
        )
        for one in admin.list("services")
    ]
    records.endpoints = [
        identity.CatalogEndpoint(
            id=one["id"],
            service_id=one["service_id"],
            interface=one["interface"],
            url=one["url"],
            region_id=one.get("region_id"),
            enabled=one["enabled"],
        )
        for one in admin.list("endpoints")
    ]


def _read_limits(admin: Outside, records: Records) -> None:
    records.registered_limits = [
        RegisteredLimit(
            id=one["id"],
            service_id=one["service_id"],
            region_id=one.get("region_id") or "",
            resource_name=one["resource_name"],
            default_limit=one["default_limit"],
            description=one.get("description"),
        )
        for one in admin.list("registered_limits")
    ]
    known = {(one.service_id, one.region_id, one.resource_name): one.id for one in records.registered_limits}
    records.limits = [
        Limit(
            id=one["id"],
            registered_limit_id=known.get((one["service_id"], one.get("region_id") or "", one["resource_name"]), ""),
            project_id=one.get("project_id") or "",
            domain_id=one.get("domain_id") or "",
            resource_limit=one["resource_limit"],
            description=one.get("description"),
        )
        for one in admin.list("limits")
    ]
