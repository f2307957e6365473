"""What the actions of servers and the whole Image API need."""

from __future__ import annotations

revision = "1.3"
down_revision = "1.2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the database to this version."""


def downgrade() -> None:
    """Take it back."""
