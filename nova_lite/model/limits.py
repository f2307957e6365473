"""Limits as other services read them, and what filters the catalog."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class RegisteredLimit:
    """How much of a resource everybody may have; -1 is no limit. An empty `region_id` is none."""

    id: str
    service_id: str
    resource_name: str
    default_limit: int
    region_id: str = ""
    description: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limit:
    """How much of it one project or domain may have; the other of the two ids is empty."""

    id: str
    registered_limit_id: str
    resource_limit: int
    project_id: str = ""
    domain_id: str = ""
    description: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class PolicyDocument:
    """A document that a service may fetch; nothing here obeys it."""

    id: str
    type: str
    blob: str
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PolicyAssociation:
    """Which document is meant for an endpoint, a service, or a service in a region; what is not said is empty."""

    policy_id: str
    endpoint_id: str = ""
    service_id: str = ""
    region_id: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class EndpointGroup:
    """Endpoints that have all of `filters`: service_id, region_id, interface."""

    id: str
    name: str
    filters: dict[str, str]
    description: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProjectEndpoint:
    """That a project's catalog shows an endpoint."""

    project_id: str
    endpoint_id: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProjectEndpointGroup:
    """That a project's catalog shows the endpoints of a group."""

    project_id: str
    endpoint_group_id: str
