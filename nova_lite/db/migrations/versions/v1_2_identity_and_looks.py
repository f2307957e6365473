"""What the whole Identity API needs, and the order of hosts' looks at their guests."""

from __future__ import annotations

revision = "1.2"
down_revision = "1.1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the database to this version."""


def downgrade() -> None:
    """Take it back."""
