"""Moves of servers between hosts and sizes; kept as long as the database, as the API lists them."""

from __future__ import annotations

import sqlalchemy as sa

from nova_lite.db.types import METADATA, Json, epoch, uuid_column

migrations = sa.Table(
    "migrations",
    METADATA,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    uuid_column("uuid", nullable=False, unique=True),
    uuid_column("server_id", nullable=False),
    sa.Column("project_id", sa.String(64), nullable=False),
    sa.Column("user_id", sa.String(64)),
    uuid_column("operation_id", nullable=False),
    sa.Column("type", sa.String(16), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("source", sa.String(255), nullable=False),
    sa.Column("dest", sa.String(255)),  # NULL: not chosen yet
    sa.Column("old_flavor", Json, nullable=False),
    sa.Column("new_flavor", Json, nullable=False),
    sa.Column("was_running", sa.Boolean, nullable=False),
    sa.Column("progress", Json, nullable=False),
    epoch("created_at", nullable=False),  # wall clock
    epoch("updated_at", nullable=False),
    sa.Index("ix_migrations_server_id", "server_id"),
    sa.Index("ix_migrations_page", "created_at", "id"),
    sa.Index("ix_migrations_status", "status"),
)
