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
    _add_amounts()


def downgrade() -> None:
    """Take it back."""
    _drop_amounts()


# -- dedicated CPUs and huge pages, beside vCPUs and memory ----------------------------------------------------------------

_AMOUNTS = ("pcpus", "pages_2m", "pages_1g")


def _add_amounts() -> None:
    for name in _AMOUNTS:
        for column in (f"{name}_limit", f"{name}_used"):
            op.add_column("hosts", sa.Column(column, sa.Integer(), nullable=False, server_default="0"))
        op.add_column("claims", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))


def _drop_amounts() -> None:
    for name in reversed(_AMOUNTS):
        op.drop_column("claims", name)
        for column in (f"{name}_used", f"{name}_limit"):
            op.drop_column("hosts", column)
