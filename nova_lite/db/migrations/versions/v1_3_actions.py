"""What the actions of servers and the whole Image API need."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "1.3"
down_revision = "1.2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the database to this version."""
    _add_shelving()


def downgrade() -> None:
    """Take it back."""
    _drop_shelving()


# -- shelved servers --------------------------------------------------------------------------------------------------------


def _add_shelving() -> None:
    op.add_column("servers", sa.Column("shelved_at", sa.Double(), nullable=True))
    op.add_column("servers", sa.Column("shelved_image_id", sa.String(length=36), nullable=True))


def _drop_shelving() -> None:
    op.drop_column("servers", "shelved_image_id")
    op.drop_column("servers", "shelved_at")
