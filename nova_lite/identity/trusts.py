"""Rules of trusts: a user (trustor) lets another (trustee) use some of its roles in one project."""

from __future__ import annotations

import dataclasses

from nova_lite import errors
from nova_lite.db import delegation as db
from nova_lite.db import identity
from nova_lite.db.engine import Tx
from nova_lite.identity import revocations, roles
from nova_lite.model.delegation import Trust
from nova_lite.model.identity import Project, Role, Target

MOST_REDELEGATIONS = 3


def get(tx: Tx, trust_id: str) -> Trust:
    """Read a trust that is still good. Raises: NotFound, also when it is over or used up."""
    found = db.TRUSTS.find(tx, trust_id)
    if found is None or not is_good(tx, found):
        raise errors.NotFound(f"Could not find trust: {trust_id[:64]}.")
    return found


def is_good(tx: Tx, trust: Trust) -> bool:
    """Whether a trust is neither over nor used up."""
    over = trust.expires_at is not None and trust.expires_at <= tx.database.clock.wall()
    return not over and trust.remaining_uses != 0


def create(tx: Tx, trust: Trust, *, redelegate: bool, asked_count: int | None, parent_id: str | None) -> Trust:
    """Make a trust. `redelegate`: the trustee may make another of it, `asked_count` deep; `parent_id`: it is made of that one.

    Raises: BadRequest; NotFound for the trustee, the project, or a role that the trustor has not there; Forbidden for more
    than the trust that it is made of gives.
    """
    identity.USERS.get(tx, trust.trustee_user_id)
    if trust.expires_at is not None and trust.expires_at <= tx.database.clock.wall():
        raise errors.BadRequest("The expiry of a trust must be in the future.")
    parent = get(tx, parent_id) if parent_id else None
    redelegate = redelegate and asked_count != 0
    if redelegate and trust.remaining_uses is not None:
        raise errors.BadRequest("remaining_uses must not be set if redelegation is allowed")
    if (asked_count or 0) > MOST_REDELEGATIONS:
        raise errors.Forbidden(f"A trust may be redelegated {MOST_REDELEGATIONS} times at most.")
    count = asked_count or MOST_REDELEGATIONS
    if parent is not None:
        trust = _below(trust, parent)
        count = parent.redelegation_count - 1
        if redelegate and asked_count not in (None, count):
            raise errors.Forbidden("redelegation_count must not be changed upon redelegation.")
    _check_roles(tx, trust)
    return db.TRUSTS.insert(tx, dataclasses.replace(trust, redelegation_count=count if redelegate else 0))


def _below(trust: Trust, parent: Trust) -> Trust:
    """Give a trust that is made of another, no wider than that. Raises: Forbidden."""
    if parent.redelegation_count < 1:
        raise errors.Forbidden("The trust must not be redelegated any further.")
    if trust.remaining_uses is not None:
        raise errors.Forbidden("remaining_uses must not be set in order to redelegate a trust.")
    if trust.project_id != parent.project_id or not set(trust.roles) <= set(parent.roles):
        raise errors.Forbidden("Some of requested roles are not in redelegated trust")
    if trust.impersonation and not parent.impersonation:
        raise errors.Forbidden("Impersonation is not allowed because redelegated trust does not specify impersonation.")
    if parent.expires_at is not None and (trust.expires_at or 0.0) > parent.expires_at:
        raise errors.Forbidden("Requested expiration time is more than redelegated trust can provide")
    return dataclasses.replace(trust, expires_at=trust.expires_at or parent.expires_at, redelegated_trust_id=parent.id)


def _check_roles(tx: Tx, trust: Trust) -> None:
    if trust.project_id is None:
        return
    project = identity.PROJECTS.get(tx, trust.project_id)
    held = {role.id for role in roles.effective(tx, _chain(tx, trust)[-1].trustor_user_id, Target.PROJECT, project)}
    for role_id in trust.roles:
        if role_id not in held:
            raise errors.NotFound(f"Could not find role: {role_id[:64]}.")


def _chain(tx: Tx, trust: Trust) -> list[Trust]:
    """List a trust and those it is made of. Raises: NotFound when one of them is gone, over or used up."""
    found = [trust]
    while found[-1].redelegated_trust_id and len(found) <= MOST_REDELEGATIONS + 1:
        found.append(get(tx, found[-1].redelegated_trust_id))
    return found


def delete(tx: Tx, trust_id: str) -> None:
    """Remove a trust, and those made of it; their tokens end. Raises: NotFound."""
    db.TRUSTS.delete(tx, trust_id)
    revocations.revoke(tx, revocations.TRUST, trust_id)
    for below in db.TRUSTS.list_by(tx, redelegated_trust_id=trust_id):
        delete(tx, below.id)


def forget_user(tx: Tx, user_id: str) -> None:
    """Remove the trusts on either side of which a user is."""
    for trust in db.trusts_with(tx, user_id):
        if db.TRUSTS.find(tx, trust.id):
            delete(tx, trust.id)


def forget_project(tx: Tx, project_id: str) -> None:
    """Remove the trusts in a project."""
    for trust in db.TRUSTS.list_by(tx, project_id=project_id):
        if db.TRUSTS.find(tx, trust.id):
            delete(tx, trust.id)


def for_login(tx: Tx, trust_id: str, user_id: str) -> tuple[Trust, Project]:
    """Find the trust that a user logs in by, with its project.

    Raises: Unauthorized when there is none such; Forbidden when it is not the trustee, or one of the users is disabled.
    """
    try:
        trust = get(tx, trust_id)
        chain = _chain(tx, trust)
    except errors.NotFound as error:
        raise errors.Unauthorized from error
    if trust.trustee_user_id != user_id:
        raise errors.Forbidden("Only the trustee may use a trust.")
    for each in chain:
        for side in (each.trustor_user_id, each.trustee_user_id):
            found = identity.USERS.find(tx, side)
            domain = identity.PROJECTS.find(tx, found.domain_id) if found else None
            if found is None or domain is None or not found.enabled or not domain.enabled:
                raise errors.Forbidden("One of the trust agents is disabled or deleted")
    project = identity.PROJECTS.find(tx, trust.project_id) if trust.project_id else None
    if project is None:
        raise errors.Unauthorized
    return trust, project


def roles_of(tx: Tx, trust: Trust, project: Project) -> list[Role]:
    """List the roles a trust gives now, with those they imply. Raises: Forbidden when the trustor has not all any more."""
    first = _chain(tx, trust)[-1]
    held = {role.id: role for role in roles.effective(tx, first.trustor_user_id, Target.PROJECT, project)}
    if not trust.roles or not set(trust.roles) <= set(held):
        raise errors.Forbidden("Trustee has no delegated roles.")
    given = [held[role_id] for role_id in roles.expand(tx, trust.roles) if role_id in held]
    return sorted(given, key=lambda role: role.name)


def named(tx: Tx, trust: Trust) -> tuple[str, ...]:
    """Give what a token says of a trust: its id, trustor, trustee, and the trustors of those that it is made of."""
    above = [each.trustor_user_id for each in _chain(tx, trust)[1:]]
    return (trust.id, trust.trustor_user_id, trust.trustee_user_id, *dict.fromkeys(above))


def use(tx: Tx, trust: Trust) -> None:
    """Take one of the uses. Raises: Unauthorized when none is left."""
    if trust.remaining_uses is not None and not db.use_trust(tx, trust.id):
        raise errors.Unauthorized
