"""Kept answers, repairs, hosts set aside, operations by request."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "1.1"
down_revision = "1.0"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the database to this version."""
    op.create_table(
        "kept_answers",
        sa.Column("scope", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column(
            "answer",
            sa.Text().with_variant(mysql.MEDIUMTEXT(), "mariadb").with_variant(mysql.MEDIUMTEXT(), "mysql"),
            nullable=False,
        ),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "key", name=op.f("pk_kept_answers")),
    )
    op.create_index("ix_kept_answers_created_at", "kept_answers", ["created_at"], unique=False)
    op.create_table(
        "repairs",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("check_name", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("done", sa.Text(), nullable=False),
        sa.Column("repaired_by", sa.String(length=64), nullable=False),
        sa.Column("repaired_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_repairs")),
    )
    op.create_index("ix_repairs_repaired_at", "repairs", ["repaired_at"], unique=False)
    op.create_table(
        "strangers",
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("server_id", sa.String(length=36), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["host"], ["hosts.name"], name=op.f("fk_strangers_host_hosts"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("host", "server_id", name=op.f("pk_strangers")),
    )
    op.add_column("hosts", sa.Column("failed_in_row", sa.Integer(), server_default="0", nullable=False))
    op.add_column("hosts", sa.Column("set_aside_until", sa.Double(), nullable=True))
    op.add_column("hosts", sa.Column("set_aside_reason", sa.Text(), nullable=True))
    op.add_column("servers", sa.Column("touched_at", sa.Double(), nullable=True))
    op.create_index("ix_operations_request", "operations", ["request_id"], unique=False)


def downgrade() -> None:
    """Take it back."""
    op.drop_index("ix_operations_request", table_name="operations")
    op.drop_column("servers", "touched_at")
    op.drop_column("hosts", "set_aside_reason")
    op.drop_column("hosts", "set_aside_until")
    op.drop_column("hosts", "failed_in_row")
    op.drop_table("strangers")
    op.drop_index("ix_repairs_repaired_at", table_name="repairs")
    op.drop_table("repairs")
    op.drop_index("ix_kept_answers_created_at", table_name="kept_answers")
    op.drop_table("kept_answers")
