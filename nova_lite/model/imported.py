"""What another identity service knows, as it is taken over: our own records, with the ids they have there."""

from __future__ import annotations

import dataclasses

from nova_lite.model import identity
from nova_lite.model.delegation import StoredCredential
from nova_lite.model.limits import Limit, RegisteredLimit


@dataclasses.dataclass(kw_only=True)
class Records:
    """Everything that was read, in the order in which it can be added: parents before children.

    members: (group id, user id); implications: (prior role id, implied role id)
    stored: what users keep, their blobs open
    left: what was seen and cannot be taken over, a sentence each
    """

    projects: list[identity.Project] = dataclasses.field(default_factory=list)
    users: list[identity.User] = dataclasses.field(default_factory=list)
    groups: list[identity.Group] = dataclasses.field(default_factory=list)
    members: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    roles: list[identity.Role] = dataclasses.field(default_factory=list)
    implications: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    assignments: list[identity.Assignment] = dataclasses.field(default_factory=list)
    access_rules: list[identity.AccessRule] = dataclasses.field(default_factory=list)
    credentials: list[identity.ApplicationCredential] = dataclasses.field(default_factory=list)
    stored: list[StoredCredential] = dataclasses.field(default_factory=list)
    regions: list[identity.Region] = dataclasses.field(default_factory=list)
    services: list[identity.CatalogService] = dataclasses.field(default_factory=list)
    endpoints: list[identity.CatalogEndpoint] = dataclasses.field(default_factory=list)
    registered_limits: list[RegisteredLimit] = dataclasses.field(default_factory=list)
    limits: list[Limit] = dataclasses.field(default_factory=list)
    left: list[str] = dataclasses.field(default_factory=list)


def parents_first(projects: list[identity.Project]) -> list[identity.Project]:
    """Order domains and projects so that each comes after what it is in; those in a ring come last."""
    known: set[str] = set()
    ordered: list[identity.Project] = []
    waiting = list(projects)
    while waiting:
        ready = [one for one in waiting if one.is_domain or (one.parent_id or one.domain_id) in known]
        if not ready:
            return ordered + waiting
        ordered += ready
        known |= {one.id for one in ready}
        waiting = [one for one in waiting if one.id not in known]
    return ordered
