"""Taking a role away by names, as an operator does it at the machine."""

from __future__ import annotations

import dataclasses
from typing import TypeVar

from nova_lite import errors
from nova_lite.db import identity as db
from nova_lite.db.engine import Database, Tx
from nova_lite.identity import roles
from nova_lite.model.identity import ROOT, SYSTEM, Actor, Assignment, Target

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """Where a role is held: on the system, on a project of the domain, or else on the domain itself; all by name."""

    domain: str
    project: str | None = None
    system: bool = False

    def __str__(self) -> str:
        if self.system:
            return "the system"
        return f"the domain {self.domain}" if self.project is None else f"the project {self.project} of {self.domain}"


def withdraw(database: Database, user: str, role: str, place: Place, *, force: bool) -> None:
    """Take a global role away from a user of the place's domain; its tokens that may have it end.

    Raises: NotFound for a name, or when the role was not held; Forbidden for the last admin's, unless by `force`.
    """

    def work(tx: Tx) -> None:
        domain = _found(db.PROJECTS.find_by(tx, name=place.domain, is_domain=True), "domain", place.domain)
        holder = _found(db.USERS.find_by(tx, name=user, domain_id=domain.id), "user", user)
        held = _found(db.ROLES.find_by(tx, name=role, domain_id=ROOT), "role", role)
        kind, target_id = Target.DOMAIN, domain.id
        if place.system:
            kind, target_id = Target.SYSTEM, SYSTEM
        elif place.project is not None:
            project = db.PROJECTS.find_by(tx, name=place.project, domain_id=domain.id)
            kind, target_id = Target.PROJECT, _found(project, "project", place.project).id
        assignment = Assignment(
            actor_kind=Actor.USER, actor_id=holder.id, target_kind=kind, target_id=target_id, role_id=held.id
        )
        roles.withdraw(tx, assignment, force=force)

    database.transact(work)


def _found(value: T | None, what: str, name: str) -> T:
    if value is None:
        raise errors.NotFound(f"There is no {what} named {name}.")
    return value
