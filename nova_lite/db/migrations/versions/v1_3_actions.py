"""What the actions of servers and the whole Image API need."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from nova_lite.db.types import Json

revision = "1.3"
down_revision = "1.2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the database to this version."""
    _add_moves()
    _add_maintenance()
    _add_console_tokens()
    _add_amounts()
    _add_shelving()
    _add_metadefs()
    op.add_column("images", sa.Column("staged", Json(), nullable=True))
    op.add_column("addresses", sa.Column("added_at", sa.Double(), nullable=True))
    _add_image_usage()
    _add_image_parts()
    _add_image_copies()


def downgrade() -> None:
    """Take it back."""
    op.drop_column("addresses", "added_at")
    op.drop_table("image_usage")
    _drop_maintenance()
    op.drop_table("image_parts")
    _drop_metadefs()
    op.drop_table("image_copies")
    op.drop_column("images", "staged")
    _drop_shelving()
    _drop_amounts()
    op.drop_table("console_tokens")
    _drop_moves()


# -- moves of servers -------------------------------------------------------------------------------------------------------


def _add_moves() -> None:
    op.create_table(
        "migrations",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("server_id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=True),
        sa.Column("operation_id", sa.String(length=36), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("source", sa.String(length=255), nullable=False),
        sa.Column("dest", sa.String(length=255), nullable=True),
        sa.Column("old_flavor", Json(), nullable=False),
        sa.Column("new_flavor", Json(), nullable=False),
        sa.Column("was_running", sa.Boolean(), nullable=False),
        sa.Column("progress", Json(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_migrations")),
        sa.UniqueConstraint("uuid", name=op.f("uq_migrations_uuid")),
    )
    op.create_index("ix_migrations_server_id", "migrations", ["server_id"])
    op.create_index("ix_migrations_page", "migrations", ["created_at", "id"])
    op.create_index("ix_migrations_status", "migrations", ["status"])


def _drop_moves() -> None:
    op.drop_table("migrations")


# -- hosts in maintenance ---------------------------------------------------------------------------------------------------


def _add_maintenance() -> None:
    op.add_column("hosts", sa.Column("maintenance_since", sa.Double(), nullable=True))


def _drop_maintenance() -> None:
    op.drop_column("hosts", "maintenance_since")


# -- shelved servers --------------------------------------------------------------------------------------------------------


def _add_shelving() -> None:
    op.add_column("servers", sa.Column("shelved_at", sa.Double(), nullable=True))
    op.add_column("servers", sa.Column("shelved_image_id", sa.String(length=36), nullable=True))
    op.add_column("servers", sa.Column("flat_disk", sa.Boolean(), nullable=False, server_default=sa.false()))


def _drop_shelving() -> None:
    op.drop_column("servers", "flat_disk")
    op.drop_column("servers", "shelved_image_id")
    op.drop_column("servers", "shelved_at")


def _add_console_tokens() -> None:
    op.create_table(
        "console_tokens",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("server_id", sa.String(length=36), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("address", sa.String(length=255), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("holder", Json(), nullable=False),
        sa.Column("ends_at", sa.Double(), nullable=False),
        sa.Column("boot_id", sa.String(length=36), nullable=True),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_console_tokens")),
    )
    op.create_index("ix_console_tokens_ends_at", "console_tokens", ["ends_at"])


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


# -- how images are used ---------------------------------------------------------------------------------------------------


def _add_image_usage() -> None:
    op.create_table(
        "image_usage",
        sa.Column("image_id", sa.String(length=36), nullable=False),
        sa.Column("downloads", sa.BigInteger(), nullable=False),
        sa.Column("sent_bytes", sa.BigInteger(), nullable=False),
        sa.Column("last_download_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_image_usage_image_id_images"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("image_id", name=op.f("pk_image_usage")),
    )


# -- copies of images in several stores --------------------------------------------------------------------------------------


def _add_image_copies() -> None:
    op.create_table(
        "image_copies",
        sa.Column("image_id", sa.String(length=36), nullable=False),
        sa.Column("store", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("location", sa.String(length=512), nullable=True),
        sa.Column("upload_id", sa.String(length=36), nullable=True),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_image_copies_image_id_images"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("image_id", "store", name=op.f("pk_image_copies")),
    )


# -- metadata definitions of the Image API -----------------------------------------------------------------------------------


def _add_metadefs() -> None:
    op.create_table(
        "metadef_namespaces",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("namespace", sa.String(length=80), nullable=False),
        sa.Column("display_name", sa.String(length=80), nullable=True),
        sa.Column("description", sa.String(length=500), nullable=True),
        sa.Column("visibility", sa.String(length=16), nullable=False),
        sa.Column("protected", sa.Boolean(), nullable=False),
        sa.Column("owner", sa.String(length=255), nullable=True),
        *_times(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_metadef_namespaces")),
        sa.UniqueConstraint("namespace", name=op.f("uq_metadef_namespaces_namespace")),
    )
    op.create_table(
        "metadef_entries",
        sa.Column("namespace_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("content", Json(), nullable=False),
        *_times(),
        _of_namespace("metadef_entries"),
        sa.PrimaryKeyConstraint("namespace_id", "kind", "name", name=op.f("pk_metadef_entries")),
    )
    op.create_table(
        "metadef_resource_types",
        sa.Column("name", sa.String(length=80), nullable=False),
        *_times(),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_metadef_resource_types")),
    )
    op.create_table(
        "metadef_associations",
        sa.Column("namespace_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("prefix", sa.String(length=80), nullable=True),
        sa.Column("properties_target", sa.String(length=80), nullable=True),
        *_times(),
        _of_namespace("metadef_associations"),
        sa.ForeignKeyConstraint(
            ["name"], ["metadef_resource_types.name"], name=op.f("fk_metadef_associations_name_metadef_resource_types")
        ),
        sa.PrimaryKeyConstraint("namespace_id", "name", name=op.f("pk_metadef_associations")),
    )


def _times() -> tuple[sa.Column[float], sa.Column[float]]:
    return sa.Column("created_at", sa.Double(), nullable=False), sa.Column("updated_at", sa.Double(), nullable=False)


def _of_namespace(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_namespace_id_metadef_namespaces")
    return sa.ForeignKeyConstraint(["namespace_id"], ["metadef_namespaces.id"], name=name, ondelete="CASCADE")


def _drop_metadefs() -> None:
    for table in ("metadef_associations", "metadef_resource_types", "metadef_entries", "metadef_namespaces"):
        op.drop_table(table)


# -- uploads of images by parts ----------------------------------------------------------------------------------------------


def _add_image_parts() -> None:
    op.create_table(
        "image_parts",
        sa.Column("image_id", sa.String(length=36), nullable=False),
        sa.Column("upload_id", sa.String(length=36), nullable=False),
        sa.Column("total_bytes", sa.BigInteger(), nullable=False),
        sa.Column("staged", sa.Boolean(), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_image_parts_image_id_images"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("image_id", name=op.f("pk_image_parts")),
    )
