"""Rules of users and groups. Hashing takes tens of milliseconds: it is done before a transaction, never in one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nova_lite import errors
from nova_lite.db import identity as db
from nova_lite.db.engine import Database, Tx
from nova_lite.identity import admins, passwords, projects, revocations
from nova_lite.identity.password_rules import ANY_PASSWORD, PasswordRules
from nova_lite.model.identity import Group, User


def create(tx: Tx, user: User) -> User:
    """Add a user. Raises: NotFound for its domain; Conflict for its name."""
    projects.get_domain(tx, user.domain_id)
    if user.default_project_id:
        _check_default_project(tx, user.default_project_id)
    return db.USERS.insert(tx, user)


def _check_default_project(tx: Tx, project_id: str) -> None:
    found = db.PROJECTS.find(tx, project_id)
    if found is not None and found.is_domain:
        raise errors.BadRequest("The default project must not be a domain.")


def update(tx: Tx, user: User, changes: dict[str, Any]) -> User:
    """Change columns; disabling or a new password ends the user's tokens.

    Raises: Conflict for the name; BadRequest for the default project; Forbidden when it is the last who administers the cloud.
    """
    disabled = changes.get("enabled") is False and user.enabled
    if changes.get("default_project_id"):
        _check_default_project(tx, changes["default_project_id"])
    with admins.kept(tx, when=disabled):
        changed = db.USERS.update(tx, user.id, **changes)
    if disabled or "password_hash" in changes:
        revocations.revoke(tx, revocations.USER, user.id)
    return changed


def delete(tx: Tx, user_id: str) -> None:
    """Remove a user with what it held; its tokens end. Raises: NotFound; Forbidden when it is the last admin."""
    db.USERS.get(tx, user_id)
    with admins.kept(tx):
        projects.forget_user(tx, user_id)


def password_columns(
    password: str | None, now: float, rules: PasswordRules = ANY_PASSWORD, options: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Give the columns of a new password, of a user with these options; None takes the password away.

    Raises: BadRequest when it is against the rules.
    """
    if password is None:
        return {"password_hash": None, "password_created_at": None, "password_expires_at": None}
    rules.check(password)
    expires_at = rules.expires_at(now, options or {})
    return {"password_hash": passwords.make_hash(password), "password_created_at": now, "password_expires_at": expires_at}


def change_password(database: Database, user_id: str, original: str, fresh: str, rules: PasswordRules = ANY_PASSWORD) -> None:
    """Change one's own password.

    Raises: Unauthorized when the present one is not right; BadRequest when it stays the same, is against the rules, or may
    not be changed by the user.
    """
    with database.read() as tx:
        user = db.USERS.find(tx, user_id)
    if not passwords.matches(original, user.password_hash if user and user.enabled else None) or user is None:
        raise errors.Unauthorized
    if user.options.get("lock_password"):
        raise errors.BadRequest("This password can be changed by an administrator only.")
    if original == fresh:
        raise errors.BadRequest("The new password must differ from the present one.")
    columns = password_columns(fresh, database.clock.wall(), rules, user.options)
    database.transact(lambda tx: update(tx, db.USERS.get(tx, user_id), columns))


def upgrade_hash(database: Database, user: User, password: str) -> None:
    """Hash a password that was just right anew, where the hash is an imported or an older one. Its tokens stay good."""
    old = user.password_hash
    if old is None or not passwords.needs_rehash(old):
        return
    fresh = passwords.make_hash(password)

    def work(tx: Tx) -> None:
        found = db.USERS.find(tx, user.id)
        if found is not None and found.password_hash == old:  # nobody has changed the password meanwhile
            db.USERS.update(tx, user.id, password_hash=fresh)

    database.transact(work)


def create_group(tx: Tx, group: Group) -> Group:
    """Add a group. Raises: NotFound for its domain; Conflict for its name."""
    projects.get_domain(tx, group.domain_id)
    return db.GROUPS.insert(tx, group)


def delete_group(tx: Tx, group_id: str) -> None:
    """Remove a group with what it held; its members' tokens end. Raises: NotFound; Forbidden when the last admin is in it."""
    db.GROUPS.get(tx, group_id)
    with admins.kept(tx):
        projects.forget_group(tx, group_id)


def join(tx: Tx, group_id: str, user_id: str) -> None:
    """Put a user into a group. May be repeated. Raises: NotFound."""
    db.GROUPS.get(tx, group_id)
    db.USERS.get(tx, user_id)
    db.add_member(tx, group_id, user_id)


def leave(tx: Tx, group_id: str, user_id: str) -> None:
    """Take a user out of a group; its tokens end. Raises: NotFound; Forbidden when it is the last admin by this."""
    db.GROUPS.get(tx, group_id)
    db.USERS.get(tx, user_id)
    with admins.kept(tx):
        if db.remove_members(tx, group_id=group_id, user_id=user_id) == 0:
            raise errors.NotFound(f"Could not find user {user_id} in the group.")
    revocations.revoke(tx, revocations.USER, user_id)
