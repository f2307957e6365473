"""Application credentials: secrets that log in as a user in one project, with some of its roles."""

from __future__ import annotations

import dataclasses
import secrets
import uuid
from collections.abc import Sequence
from typing import Any

from nova_lite import errors
from nova_lite.db import identity as db
from nova_lite.db.engine import Database, Tx
from nova_lite.identity import access_rules, passwords, revocations, roles
from nova_lite.model.identity import ApplicationCredential, Role, Target


@dataclasses.dataclass(frozen=True, kw_only=True)
class CredentialOrder:
    """What a user asks for.

    roles: ids or names; None: all that it has in the project
    secret: None: make one
    access_rules: each has an id, or service, method and path; None: every request may be made
    within: the names of the roles that the caller's token has, beyond which none is given; None: no such bound
    """

    user_id: str
    project_id: str
    name: str
    description: str | None = None
    secret: str | None = dataclasses.field(default=None, repr=False)
    roles: tuple[str, ...] | None = None
    expires_at: float | None = None
    unrestricted: bool = False
    access_rules: tuple[dict[str, Any], ...] | None = None
    within: frozenset[str] | None = None


def create(database: Database, order: CredentialOrder) -> tuple[ApplicationCredential, list[Role], str]:
    """Make a credential; give it with its roles and its secret, which is shown this once.

    Raises: BadRequest for roles that the user or its token has not, or an expiry that is over; Conflict for the name.
    """
    now = database.clock.wall()
    if order.expires_at is not None and order.expires_at <= now:
        raise errors.BadRequest("The expiry must be in the future.")
    secret = order.secret or secrets.token_urlsafe(64)
    secret_hash = passwords.make_hash(secret)

    def work(tx: Tx) -> tuple[ApplicationCredential, list[Role]]:
        held = _held(tx, order.user_id, order.project_id)
        chosen = _chosen([role for role in held if order.within is None or role.name in order.within], order.roles)
        credential = ApplicationCredential(
            id=uuid.uuid4().hex,
            name=order.name,
            user_id=order.user_id,
            project_id=order.project_id,
            secret_hash=secret_hash,
            created_at=now,
            description=order.description,
            expires_at=order.expires_at,
            unrestricted=order.unrestricted,
            roles=[role.id for role in chosen],
            access_rules=_access_rules(tx, order),
        )
        db.CREDENTIALS.insert(tx, credential)
        return credential, roles_of(tx, credential)

    return (*database.transact(work), secret)


def _access_rules(tx: Tx, order: CredentialOrder) -> list[dict[str, Any]] | None:
    if order.access_rules is None:
        return None
    kept = access_rules.keep(tx, order.user_id, list(order.access_rules))
    return [{"id": rule.id, "service": rule.service, "method": rule.method, "path": rule.path} for rule in kept]


def rules_of(credential: ApplicationCredential) -> access_rules.Rules | None:
    """Give the access rules as tokens carry them; None when every request may be made."""
    if credential.access_rules is None:
        return None
    return tuple((rule["service"], rule["method"], rule["path"]) for rule in credential.access_rules)


def _held(tx: Tx, user_id: str, project_id: str) -> list[Role]:
    project = db.PROJECTS.find(tx, project_id)
    return [] if project is None else roles.effective(tx, user_id, Target.PROJECT, project)


def _chosen(held: list[Role], asked: tuple[str, ...] | None) -> list[Role]:
    if asked is None:
        return held
    chosen = [role for role in held if role.id in asked or role.name in asked]
    if len(chosen) < len(set(asked)):
        raise errors.BadRequest("An application credential can only have roles that its user has in the project.")
    return chosen


def roles_of(tx: Tx, credential: ApplicationCredential) -> list[Role]:
    """List the roles a credential gives now: those it was made with and what they imply, as far as its user still has them."""
    granted = roles.expand(tx, credential.roles)
    return [role for role in _held(tx, credential.user_id, credential.project_id) if role.id in granted]


def roles_given(tx: Tx, found: Sequence[ApplicationCredential]) -> list[list[Role]]:
    """List the roles that each of several credentials was made with, and what they imply, by name. Two statements."""
    every = db.ROLES.list_by(tx) if found else []
    implications = db.implications(tx) if found else []
    granted = [roles.spread(implications, each.roles) for each in found]
    return [[role for role in every if role.id in ids and not role.domain_id] for ids in granted]


def get(tx: Tx, user_id: str, credential_id: str) -> ApplicationCredential:
    """Read a user's credential. Raises: NotFound."""
    found = db.CREDENTIALS.get(tx, credential_id)
    if found.user_id != user_id:
        raise errors.NotFound(f"Could not find application credential: {credential_id[:64]}.")
    return found


def delete(tx: Tx, user_id: str, credential_id: str) -> None:
    """Remove a credential; its tokens end. Raises: NotFound."""
    get(tx, user_id, credential_id)
    db.CREDENTIALS.delete(tx, credential_id)
    revocations.revoke(tx, revocations.CREDENTIAL, credential_id)


def find_for_login(tx: Tx, body: dict[str, Any], user_id: str | None) -> ApplicationCredential | None:
    """Find the credential a login names, by id, or by name with its user."""
    if "id" in body:
        return db.CREDENTIALS.find(tx, body["id"])
    if user_id is None:
        return None
    return db.CREDENTIALS.find_by(tx, user_id=user_id, name=body.get("name"))
