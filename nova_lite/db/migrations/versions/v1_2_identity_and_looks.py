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
    op.add_column("hosts", sa.Column("look_incarnation", sa.BigInteger(), nullable=True))
    op.add_column("hosts", sa.Column("look_number", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Take it back."""
    op.drop_column("hosts", "look_number")
    op.drop_column("hosts", "look_incarnation")
