"""What the whole Identity API needs, and the order of hosts' looks at their guests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from nova_lite.db.types import Json

revision = "1.2"
down_revision = "1.1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the database to this version."""
    _upgrade_records()


def downgrade() -> None:
    """Take it back."""
    _downgrade_records()


# -- records of Identity: further fields of the catalog, and the ways in which hierarchies and roles are looked up -------

_CATALOG = ("regions", "catalog_services", "catalog_endpoints")
_INDEXES = (
    ("ix_projects_parent_id", "projects", ["parent_id"]),
    ("ix_group_members_user_id", "group_members", ["user_id"]),
    ("ix_assignments_target_id", "assignments", ["target_id"]),
    ("ix_assignments_role_id", "assignments", ["role_id"]),
)


def _upgrade_records() -> None:
    for table in _CATALOG:
        op.add_column(table, sa.Column("extra", Json))
    for name, table, columns in _INDEXES:
        op.create_index(name, table, columns)


def _downgrade_records() -> None:
    for name, table, _ in _INDEXES:
        op.drop_index(name, table_name=table)
    for table in _CATALOG:
        op.drop_column(table, "extra")
