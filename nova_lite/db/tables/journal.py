"""The engine's rows: subjects, operations, signals, step events, idempotency keys (ENGINE.md, Rows)."""

from __future__ import annotations

import sqlalchemy as sa

from nova_lite.db.types import METADATA, Json, epoch, long_text, uuid_column

subjects = sa.Table(
    "subjects",
    METADATA,
    sa.Column("kind", sa.String(32), primary_key=True),
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("parent_kind", sa.String(32)),
    sa.Column("parent_id", sa.String(64)),
    sa.Column("children", sa.Integer, nullable=False, default=0),
    sa.Column("closed", sa.Boolean, nullable=False, default=False),
    uuid_column("live_operation", unique=True),
    sa.Column("fence", sa.BigInteger, nullable=False, default=0),  # while an operation lives: its fence_base + lease_number
)

# Times here are the database's own clock (ENGINE.md, Time): on SQLite seconds since boot, elsewhere since 1970.
operations = sa.Table(
    "operations",
    METADATA,
    uuid_column("id", primary_key=True),
    sa.Column("workflow", sa.String(64), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("subject_kind", sa.String(32), nullable=False),
    sa.Column("subject_id", sa.String(64), nullable=False),
    sa.Column("pool", sa.String(64), nullable=False, default="control"),
    sa.Column("class", sa.Integer, nullable=False, default=2, key="priority"),  # 0 unwinding and deletes, 1 actions, 2 boots
    sa.Column("project_id", sa.String(64)),
    sa.Column("user_id", sa.String(64)),
    sa.Column("request_id", sa.String(64)),
    sa.Column("params", Json, nullable=False),
    sa.Column("results", Json, nullable=False),
    sa.Column("position", sa.Integer, nullable=False, default=0),
    sa.Column("step", sa.String(64)),
    sa.Column("unwinding", sa.Boolean, nullable=False, default=False),
    sa.Column("attempt", sa.Integer, nullable=False, default=0),
    sa.Column("turn", sa.BigInteger, nullable=False, default=0),
    sa.Column("signal_seq", sa.BigInteger, nullable=False, default=0),
    epoch("wake_at"),  # NULL: held, or ended
    epoch("deadline_at"),  # of the running step; NULL: not begun, or its time stands still (an outage)
    sa.Column("lease_owner", sa.String(128)),
    sa.Column("lease_number", sa.BigInteger, nullable=False, default=0),
    sa.Column("fence_base", sa.BigInteger, nullable=False, default=0),  # the subject's fence at accept; + lease_number: now
    epoch("lease_until"),
    uuid_column("held_by"),  # the parent operation that releases this one
    sa.Column("boot_id", sa.String(36)),  # SQLite only: whose CLOCK_BOOTTIME the times are
    sa.Column("state", Json, nullable=False),  # the engine's own: see durable/progress.py
    sa.Column("events", Json, nullable=False),  # not yet moved to step_events: moved together at the end
    epoch("started_at", nullable=False),  # wall clock
    epoch("ended_at"),  # wall clock
    sa.Column("outcome", sa.String(16)),  # done, failed, cancelled
    sa.Column("message", sa.Text),
    sa.Index("ix_operations_due", "pool", "wake_at", "priority"),
    sa.Index("ix_operations_subject", "subject_kind", "subject_id", "started_at"),
    sa.Index("ix_operations_ended", "ended_at"),
    sa.Index("ix_operations_held", "held_by"),
    sa.Index("ix_operations_request", "request_id"),
)

signals = sa.Table(
    "signals",
    METADATA,
    uuid_column("operation_id", primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("body", Json, nullable=False),
    sa.Column("report_id", sa.String(36), unique=True),  # each report is stored once
    epoch("created_at", nullable=False),  # wall clock
)

step_events = sa.Table(
    "step_events",
    METADATA,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    uuid_column("operation_id", nullable=False),
    sa.Column("step", sa.String(64), nullable=False),
    sa.Column("unwinding", sa.Boolean, nullable=False, default=False),
    sa.Column("attempt", sa.Integer, nullable=False, default=0),
    epoch("started_at", nullable=False),  # wall clock
    epoch("ended_at"),
    sa.Column("outcome", sa.String(32)),
    sa.Column("host", sa.String(255)),
    sa.Column("message", sa.Text),
    sa.Index("ix_step_events_operation", "operation_id", "id"),
)

# What was answered to requests with an Idempotency-Key. Scope, key and fingerprint are hashes.
kept_answers = sa.Table(
    "kept_answers",
    METADATA,
    sa.Column("scope", sa.String(64), primary_key=True),
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("answer", long_text(), nullable=False),
    epoch("created_at", nullable=False),  # wall clock
    sa.Index("ix_kept_answers_created_at", "created_at"),
)

# Of releases before 1.1, which may still run beside this one; taken away with the next era.
idempotency_keys = sa.Table(
    "idempotency_keys",
    METADATA,
    sa.Column("project_id", sa.String(64), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("answer", Json, nullable=False),
    epoch("created_at", nullable=False),
    sa.Index("ix_idempotency_keys_created_at", "created_at"),
)
