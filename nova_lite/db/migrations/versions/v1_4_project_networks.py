"""What networks that projects make need."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from nova_lite.db.types import Json

revision = "1.4"
down_revision = "1.3"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the database to this version."""
    op.add_column("networks", sa.Column("segment", sa.Integer(), nullable=True))
    op.add_column("networks", sa.Column("admin_state_up", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.add_column("networks", sa.Column("description", sa.String(length=255), server_default="", nullable=False))
    op.create_index("ix_networks_segment", "networks", ["segment"], unique=True)
    op.create_index("ix_networks_project_id", "networks", ["project_id"])
    op.add_column("subnets", sa.Column("allocation_pools", Json(), nullable=True))
    op.add_column("subnets", sa.Column("host_routes", Json(), nullable=True))
    op.add_column("subnets", sa.Column("description", sa.String(length=255), server_default="", nullable=False))


def downgrade() -> None:
    """Take it back."""
    for column in ("description", "host_routes", "allocation_pools"):
        op.drop_column("subnets", column)
    op.drop_index("ix_networks_project_id", "networks")
    op.drop_index("ix_networks_segment", "networks")
    for column in ("description", "admin_state_up", "segment"):
        op.drop_column("networks", column)
