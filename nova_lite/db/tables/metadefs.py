"""Metadata definitions: namespaces, what stands in them, and the types of resources they are meant for."""

from __future__ import annotations

import sqlalchemy as sa

from nova_lite.db.types import METADATA, Json, epoch, uuid_column

metadef_namespaces = sa.Table(
    "metadef_namespaces",
    METADATA,
    uuid_column("id", primary_key=True),
    sa.Column("namespace", sa.String(80), nullable=False, unique=True),
    sa.Column("display_name", sa.String(80)),
    sa.Column("description", sa.String(500)),
    sa.Column("visibility", sa.String(16), nullable=False),
    sa.Column("protected", sa.Boolean, nullable=False, default=False),
    sa.Column("owner", sa.String(255)),
    epoch("created_at", nullable=False),
    epoch("updated_at", nullable=False),
)

metadef_entries = sa.Table(
    "metadef_entries",
    METADATA,
    uuid_column("namespace_id", primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True),  # object, property, tag
    sa.Column("name", sa.String(80), primary_key=True),
    sa.Column("content", Json, nullable=False),
    epoch("created_at", nullable=False),
    epoch("updated_at", nullable=False),
    sa.ForeignKeyConstraint(["namespace_id"], ["metadef_namespaces.id"], ondelete="CASCADE"),
)

metadef_resource_types = sa.Table(
    "metadef_resource_types",
    METADATA,
    sa.Column("name", sa.String(80), primary_key=True),
    epoch("created_at", nullable=False),
    epoch("updated_at", nullable=False),
)

metadef_associations = sa.Table(
    "metadef_associations",
    METADATA,
    uuid_column("namespace_id", primary_key=True),
    sa.Column("name", sa.String(80), primary_key=True),  # of the resource type
    sa.Column("prefix", sa.String(80)),
    sa.Column("properties_target", sa.String(80)),
    epoch("created_at", nullable=False),
    epoch("updated_at", nullable=False),
    sa.ForeignKeyConstraint(["namespace_id"], ["metadef_namespaces.id"], ondelete="CASCADE"),
    sa.ForeignKeyConstraint(["name"], ["metadef_resource_types.name"]),
)
