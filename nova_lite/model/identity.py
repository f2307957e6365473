"""Who there is and what they may do: domains, projects, users, groups, roles, credentials, and the catalog."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any

DEFAULT_DOMAIN = "default"
ROOT = ""  # where domains themselves, and global roles, live
SYSTEM = "system"  # the one system scope, as a target of assignments


@dataclasses.dataclass(frozen=True, kw_only=True)
class Project:
    """A project, or a domain when `is_domain`; a domain's `domain_id` is empty."""

    id: str
    name: str
    domain_id: str
    created_at: float
    parent_id: str | None = None
    is_domain: bool = False
    description: str | None = ""
    enabled: bool = True
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class User:
    """A user. Without a password hash nobody logs in by password."""

    id: str
    name: str
    domain_id: str
    created_at: float
    enabled: bool = True
    password_hash: str | None = dataclasses.field(default=None, repr=False)
    password_created_at: float | None = None
    password_expires_at: float | None = None
    default_project_id: str | None = None
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)
    options: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Group:
    """A group of users, which may hold roles."""

    id: str
    name: str
    domain_id: str
    description: str | None = ""
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Role:
    """A role; a global one has an empty `domain_id`."""

    id: str
    name: str
    domain_id: str = ROOT
    description: str | None = None
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)


class Actor(enum.StrEnum):
    """Who holds a role."""

    USER = "user"
    GROUP = "group"


class Target(enum.StrEnum):
    """Where a role is held."""

    PROJECT = "project"
    DOMAIN = "domain"
    SYSTEM = "system"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Assignment:
    """A role held by an actor on a target; `inherited` ones hold in what is below the target, not in it."""

    actor_kind: str
    actor_id: str
    target_kind: str
    target_id: str
    role_id: str
    inherited: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class ApplicationCredential:
    """A secret that logs in as its user, in one project, with some of the roles. `roles` are role ids."""

    id: str
    name: str
    user_id: str
    project_id: str
    secret_hash: str = dataclasses.field(repr=False)
    created_at: float
    description: str | None = None
    expires_at: float | None = None
    unrestricted: bool = False
    roles: list[str] = dataclasses.field(default_factory=list)
    access_rules: list[dict[str, Any]] | None = None  # each with its id, service, method and path


@dataclasses.dataclass(frozen=True, kw_only=True)
class AccessRule:
    """A kind of requests that a user lets application credentials make. `path` may hold `*`, `**` and `{name}`."""

    id: str
    user_id: str
    service: str
    method: str
    path: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Region:
    """A region of the catalog."""

    id: str
    description: str | None = ""
    parent_region_id: str | None = None
    extra: dict[str, Any] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class CatalogService:
    """A service of the catalog."""

    id: str
    type: str
    name: str
    description: str | None = None
    enabled: bool = True
    extra: dict[str, Any] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class CatalogEndpoint:
    """An address of a service; `interface` is public, internal or admin."""

    id: str
    service_id: str
    interface: str
    url: str
    region_id: str | None = None
    enabled: bool = True
    extra: dict[str, Any] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Revocation:
    """What makes tokens worthless until they expire anyway: those made before the row `id`, its number once it is written.

    issued_before: epoch seconds; for tokens of release 1.0 only, which name no number
    """

    kind: str
    value: str
    issued_before: float
    expires_at: float
    id: int | None = None
