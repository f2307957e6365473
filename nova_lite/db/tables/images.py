"""Images: the registry. The bytes are in a store."""

from __future__ import annotations

import sqlalchemy as sa

from nova_lite.db.types import METADATA, Json, epoch, uuid_column

images = sa.Table(
    "images",
    METADATA,
    uuid_column("id", primary_key=True),
    sa.Column("name", sa.String(255)),
    sa.Column("owner", sa.String(64)),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("visibility", sa.String(16), nullable=False),
    sa.Column("disk_format", sa.String(16)),
    sa.Column("container_format", sa.String(16)),
    sa.Column("size_bytes", sa.BigInteger),
    sa.Column("virtual_size_bytes", sa.BigInteger),
    sa.Column("md5", sa.String(32)),
    sa.Column("sha512", sa.String(128)),
    sa.Column("min_disk_gib", sa.Integer, nullable=False, default=0),
    sa.Column("min_ram_mib", sa.Integer, nullable=False, default=0),
    sa.Column("protected", sa.Boolean, nullable=False, default=False),
    sa.Column("hidden", sa.Boolean, nullable=False, default=False),
    sa.Column("location", sa.String(512)),
    sa.Column("upload_id", sa.String(36)),  # the upload that may finalize it; another one may not
    sa.Column("staged", Json),  # contents that wait for their import: image.records.Contents
    sa.Column("properties", Json, nullable=False),
    epoch("created_at", nullable=False),
    epoch("updated_at", nullable=False),
    sa.Index("ix_images_page", "created_at", "id"),
    sa.Index("ix_images_owner", "owner", "created_at"),
)

# Uploads by parts that are not complete: one an image. Whoever's id is here may go on and finish; a row that is gone, or
# names another, ends an upload (image.parts).
image_parts = sa.Table(
    "image_parts",
    METADATA,
    uuid_column("image_id", primary_key=True),
    uuid_column("upload_id", nullable=False),
    sa.Column("total_bytes", sa.BigInteger, nullable=False),
    sa.Column("staged", sa.Boolean, nullable=False),  # the bytes are for an import to come
    sa.Column("user_id", sa.String(64), nullable=False),  # who began it and alone goes on, in this project
    sa.Column("project_id", sa.String(64)),
    epoch("created_at", nullable=False),
    sa.ForeignKeyConstraint(["image_id"], ["images.id"], ondelete="CASCADE"),
)

image_tags = sa.Table(
    "image_tags",
    METADATA,
    uuid_column("image_id", primary_key=True),
    sa.Column("tag", sa.String(255), primary_key=True),
    sa.ForeignKeyConstraint(["image_id"], ["images.id"], ondelete="CASCADE"),
)

# How much of an image was downloaded; no row: nothing yet. Written by batches, apart from the image, which it does not change.
image_usage = sa.Table(
    "image_usage",
    METADATA,
    uuid_column("image_id", primary_key=True),
    sa.Column("downloads", sa.BigInteger, nullable=False, default=0),
    sa.Column("sent_bytes", sa.BigInteger, nullable=False, default=0),
    epoch("last_download_at"),  # wall clock
    sa.ForeignKeyConstraint(["image_id"], ["images.id"], ondelete="CASCADE"),
)

image_members = sa.Table(
    "image_members",
    METADATA,
    uuid_column("image_id", primary_key=True),
    sa.Column("member", sa.String(64), primary_key=True),
    sa.Column("status", sa.String(16), nullable=False, default="pending"),
    epoch("created_at", nullable=False),
    epoch("updated_at", nullable=False),
    sa.ForeignKeyConstraint(["image_id"], ["images.id"], ondelete="CASCADE"),
)

# The bytes of an image in other stores than the one that `images.location` names, and those that are to come there.
image_copies = sa.Table(
    "image_copies",
    METADATA,
    uuid_column("image_id", primary_key=True),
    sa.Column("store", sa.String(64), primary_key=True),
    sa.Column("status", sa.String(16), nullable=False),  # image.copies.CopyStatus
    sa.Column("location", sa.String(512)),
    sa.Column("upload_id", sa.String(36)),  # who may finish it
    sa.ForeignKeyConstraint(["image_id"], ["images.id"], ondelete="CASCADE"),
)
