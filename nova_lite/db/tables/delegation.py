"""What lets somebody act for another, or by something else than a password: credentials, trusts, OAuth consumers and tokens;
and the configurations of domains, which hold a password too.
"""

from __future__ import annotations

import sqlalchemy as sa

from nova_lite.db.types import METADATA, Json, epoch, long_text

credentials = sa.Table(
    "credentials",  # blobs are sealed (identity/vault.py)
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("user_id", sa.String(64), nullable=False, index=True),
    sa.Column("project_id", sa.String(64)),
    sa.Column("type", sa.String(255), nullable=False),
    sa.Column("blob", long_text(), nullable=False),
    sa.Column("last_step", sa.BigInteger, nullable=False, default=0),  # of TOTP: no passcode of it or before is taken again
)

domain_configs = sa.Table(
    "domain_configs",  # kept for clients; nothing here obeys them
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),  # the domain's
    sa.Column("content", long_text(), nullable=False),  # sealed
)

trusts = sa.Table(
    "trusts",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("trustor_user_id", sa.String(64), nullable=False, index=True),
    sa.Column("trustee_user_id", sa.String(64), nullable=False, index=True),
    sa.Column("project_id", sa.String(64)),
    sa.Column("impersonation", sa.Boolean, nullable=False),
    sa.Column("roles", Json, nullable=False),
    epoch("expires_at"),
    sa.Column("remaining_uses", sa.Integer),
    sa.Column("redelegation_count", sa.Integer, nullable=False, default=0),
    sa.Column("redelegated_trust_id", sa.String(64), index=True),
)

oauth_consumers = sa.Table(
    "oauth_consumers",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("description", sa.Text),
    sa.Column("secret", sa.Text, nullable=False),  # sealed
    sa.Column("extra", Json, nullable=False),
)

oauth_request_tokens = sa.Table(
    "oauth_request_tokens",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("consumer_id", sa.String(64), nullable=False, index=True),
    sa.Column("project_id", sa.String(64), nullable=False),
    sa.Column("secret", sa.Text, nullable=False),  # sealed
    sa.Column("verifier", sa.String(64)),
    sa.Column("authorizing_user_id", sa.String(64)),
    sa.Column("roles", Json),
    epoch("expires_at", nullable=False),
)

oauth_access_tokens = sa.Table(
    "oauth_access_tokens",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("consumer_id", sa.String(64), nullable=False, index=True),
    sa.Column("project_id", sa.String(64), nullable=False),
    sa.Column("secret", sa.Text, nullable=False),  # sealed
    sa.Column("authorizing_user_id", sa.String(64), nullable=False, index=True),
    sa.Column("roles", Json, nullable=False),
    epoch("expires_at"),
)

oauth_nonces = sa.Table(
    "oauth_nonces",  # what OAuth requests of the last minutes were signed with: none is taken twice
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    epoch("expires_at", nullable=False, index=True),
)
