"""Queries on stored credentials, trusts, OAuth consumers and tokens, and configurations of domains."""

from __future__ import annotations

import sqlalchemy as sa

from nova_lite.db.engine import Tx
from nova_lite.db.identity import Rows
from nova_lite.db.tables import delegation as tables
from nova_lite.db.tables.identity import users
from nova_lite.model import delegation as model

CREDENTIALS = Rows(tables.credentials, model.StoredCredential, "credential")
DOMAIN_CONFIGS = Rows(tables.domain_configs, model.DomainConfig, "domain configuration")
TRUSTS = Rows(tables.trusts, model.Trust, "trust")
CONSUMERS = Rows(tables.oauth_consumers, model.Consumer, "consumer")
REQUEST_TOKENS = Rows(tables.oauth_request_tokens, model.RequestToken, "request token")
ACCESS_TOKENS = Rows(tables.oauth_access_tokens, model.AccessToken, "access token")
NONCES = Rows(tables.oauth_nonces, model.Nonce, "nonce")
SEALED = (
    (tables.credentials, "blob"),
    (tables.domain_configs, "content"),
    (tables.oauth_consumers, "secret"),
    (tables.oauth_request_tokens, "secret"),
    (tables.oauth_access_tokens, "secret"),
)


def use_step(tx: Tx, credential_id: str, step: int) -> bool:
    """Note that a passcode of a time step was used; false when one of it or a later one was already."""
    table = tables.credentials
    statement = table.update().where((table.c.id == credential_id) & (table.c.last_step < step)).values(last_step=step)
    return tx.execute(statement).rowcount == 1


def use_trust(tx: Tx, trust_id: str) -> bool:
    """Take one use of a trust; false when none is left or the trust is gone."""
    table = tables.trusts
    left = (table.c.id == trust_id) & (table.c.remaining_uses > 0)
    statement = table.update().where(left).values(remaining_uses=table.c.remaining_uses - 1)
    return tx.execute(statement).rowcount == 1


def forget_nonces(tx: Tx, now: float) -> None:
    """Drop what is too old to be taken again."""
    tx.execute(tables.oauth_nonces.delete().where(tables.oauth_nonces.c.expires_at < now))


def sealed_ids(tx: Tx, table: sa.Table) -> list[str]:
    """List the rows of one of the tables in `SEALED`."""
    return list(tx.execute(sa.select(table.c.id)).scalars())


def sealed_value(tx: Tx, table: sa.Table, column: str, key: str) -> str | None:
    """Read what is sealed in a row; None when it is gone."""
    return tx.execute(sa.select(table.c[column]).where(table.c.id == key)).scalar_one_or_none()


def replace_sealed(tx: Tx, table: sa.Table, column: str, key: str, before: str, after: str) -> None:
    """Put a sealed value in the place of another, unless somebody else has."""
    tx.execute(table.update().where((table.c.id == key) & (table.c[column] == before)).values({column: after}))


def trusts_with(tx: Tx, user_id: str) -> list[model.Trust]:
    """List the trusts in which a user is either side."""
    mine = {trust.id: trust for trust in TRUSTS.list_by(tx, trustor_user_id=user_id)}
    return list((mine | {trust.id: trust for trust in TRUSTS.list_by(tx, trustee_user_id=user_id)}).values())


def users_with_trusts(tx: Tx, domain_id: str) -> list[str]:
    """List the users of a domain that are on either side of a trust."""
    either = (tables.trusts.c.trustor_user_id == users.c.id) | (tables.trusts.c.trustee_user_id == users.c.id)
    query = sa.select(users.c.id).where(users.c.domain_id == domain_id, sa.exists().where(either))
    return list(tx.execute(query).scalars())


def forget_user(tx: Tx, user_id: str) -> None:
    """Remove what a user kept or gave; its tokens are ended by the caller."""
    CREDENTIALS.delete_by(tx, user_id=user_id)
    ACCESS_TOKENS.delete_by(tx, authorizing_user_id=user_id)
    REQUEST_TOKENS.delete_by(tx, authorizing_user_id=user_id)


def forget_project(tx: Tx, project_id: str) -> None:
    """Remove what was given in a project, and a domain's configuration; its tokens are ended by the caller."""
    DOMAIN_CONFIGS.delete_by(tx, id=project_id)
    CREDENTIALS.delete_by(tx, project_id=project_id)
    ACCESS_TOKENS.delete_by(tx, project_id=project_id)
    REQUEST_TOKENS.delete_by(tx, project_id=project_id)
