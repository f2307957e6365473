"""What projects may use, and what they use, in every service."""

from __future__ import annotations

import sqlalchemy as sa

from nova_lite.db.types import METADATA

quota_limits = sa.Table(
    "quota_limits",
    METADATA,
    sa.Column("project_id", sa.String(64), primary_key=True),
    sa.Column("resource", sa.String(64), primary_key=True),
    sa.Column("limit", sa.BigInteger, nullable=False),  # -1: no limit
)

# One row a project and resource, changed by `used + :n <= :limit` inside the transaction that inserts what is counted.
quota_usage = sa.Table(
    "quota_usage",
    METADATA,
    sa.Column("project_id", sa.String(64), primary_key=True),
    sa.Column("resource", sa.String(64), primary_key=True),
    sa.Column("used", sa.BigInteger, nullable=False, default=0),
)

# What one user of a project may use of it; where there is no row, all that the project may.
quota_user_limits = sa.Table(
    "quota_user_limits",
    METADATA,
    sa.Column("project_id", sa.String(64), primary_key=True),
    sa.Column("user_id", sa.String(64), primary_key=True),
    sa.Column("resource", sa.String(64), primary_key=True),
    sa.Column("limit", sa.BigInteger, nullable=False),  # -1: no limit
)
