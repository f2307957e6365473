"""Notifications that are written but not yet with the broker."""

from __future__ import annotations

import sqlalchemy as sa

from nova_lite.db.types import METADATA, Json, epoch, uuid_column

outbox = sa.Table(
    "outbox",
    METADATA,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    uuid_column("message_id", nullable=False, unique=True),  # the same at each sending: receivers know repetitions by it
    sa.Column("event_type", sa.String(64), nullable=False),
    sa.Column("priority", sa.String(8), nullable=False),
    sa.Column("publisher_id", sa.String(255), nullable=False),
    sa.Column("payload", Json, nullable=False),
    epoch("created_at", nullable=False),  # wall clock
    sa.Column("taken_by", sa.String(128)),  # the conductor that is sending it
    epoch("taken_until"),  # the journal's clock
)

# How far the usage of a period is told: one row a kind of period, moved on in the transaction that writes the notifications.
usage_marks = sa.Table(
    "usage_marks",
    METADATA,
    sa.Column("name", sa.String(16), primary_key=True),
    epoch("period_end", nullable=False),  # wall clock
    sa.Column("after", sa.String(36), nullable=False, default=""),  # the last server told of; a tilde: all were
)
