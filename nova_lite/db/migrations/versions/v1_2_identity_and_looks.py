"""What the whole Identity API needs, and the order of hosts' looks at their guests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "1.2"
down_revision = "1.1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the database to this version."""
    _upgrade_access_rules()


def downgrade() -> None:
    """Take it back."""
    _downgrade_access_rules()


# -- access rules of application credentials -----------------------------------------------------------------------------


def _upgrade_access_rules() -> None:
    op.create_table(
        "access_rules",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("service", sa.String(length=64), nullable=False),
        sa.Column("method", sa.String(length=8), nullable=False),
        sa.Column("path", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_rules")),
        sa.UniqueConstraint("user_id", "service", "method", "path", name=op.f("uq_access_rules_user_id_service_method_path")),
    )


def _downgrade_access_rules() -> None:
    op.drop_table("access_rules")
