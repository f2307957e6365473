"""Servers, flavors, key pairs, and the compute side's small nouns."""

from __future__ import annotations

import sqlalchemy as sa

from nova_lite.db.types import METADATA, Json, epoch, long_text, uuid_column

servers = sa.Table(
    "servers",
    METADATA,
    uuid_column("id", primary_key=True),
    sa.Column("project_id", sa.String(64), nullable=False),
    sa.Column("user_id", sa.String(64), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("hostname", sa.String(255), nullable=False),
    sa.Column("description", sa.String(255)),
    sa.Column("state", sa.String(32), nullable=False),
    sa.Column("power_state", sa.Integer, nullable=False, default=0),
    sa.Column("flavor_id", sa.String(255), nullable=False),
    sa.Column("flavor", Json, nullable=False),  # the copy made at creation
    uuid_column("image_id"),
    sa.Column("image_properties", Json, nullable=False),
    sa.Column("host", sa.String(255)),
    sa.Column("availability_zone", sa.String(255)),
    sa.Column("requested_zone", sa.String(255)),
    sa.Column("requested_host", sa.String(255)),
    sa.Column("requested_networks", Json, nullable=False),
    sa.Column("no_network", sa.Boolean, nullable=False, default=False),
    sa.Column("blank_disks", Json),  # NULL: the flavor's own
    sa.Column("key_name", sa.String(255)),
    sa.Column("key_type", sa.String(16)),
    sa.Column("key_data", sa.Text),
    sa.Column("user_data", long_text()),
    sa.Column("files", Json),  # NULL: none
    sa.Column("config_drive", sa.Boolean, nullable=False, default=False),
    sa.Column("metadata", Json, nullable=False, key="properties"),
    sa.Column("tags", Json, nullable=False),
    sa.Column("locked", sa.Boolean, nullable=False, default=False),
    sa.Column("locked_reason", sa.String(255)),
    sa.Column("locked_by", sa.String(16)),  # owner or admin
    sa.Column("disk_config", sa.String(8), nullable=False, default="MANUAL"),
    sa.Column("reservation_id", sa.String(64), nullable=False, default=""),
    sa.Column("launch_index", sa.Integer, nullable=False, default=0),
    sa.Column("access_ip_v4", sa.String(39)),
    sa.Column("access_ip_v6", sa.String(39)),
    sa.Column("scheduler_hints", Json, nullable=False),
    sa.Column("fault", Json),
    sa.Column("addresses", Json, nullable=False),
    epoch("created_at", nullable=False),
    epoch("updated_at", nullable=False),
    epoch("launched_at"),
    epoch("terminated_at"),
    epoch("shelved_at"),
    uuid_column("shelved_image_id"),  # has the disk of a server that is shelved
    sa.Column("flat_disk", sa.Boolean, nullable=False, default=False, server_default=sa.false()),
    epoch("touched_at"),  # the journal's clock at the last change; NULL: never changed, or only by the first release
    # What lists sort by: newest first, the id breaking ties, within a project and over all.
    sa.Index("ix_servers_project_page", "project_id", "created_at", "id"),
    sa.Index("ix_servers_page", "created_at", "id"),
    sa.Index("ix_servers_updated_at", "updated_at"),
    sa.Index("ix_servers_host", "host", "state"),
)

flavors = sa.Table(
    "flavors",
    METADATA,
    sa.Column("id", sa.String(255), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False, unique=True),
    sa.Column("vcpus", sa.Integer, nullable=False),
    sa.Column("ram_mib", sa.Integer, nullable=False),
    sa.Column("disk_gib", sa.Integer, nullable=False),
    sa.Column("ephemeral_gib", sa.Integer, nullable=False, default=0),
    sa.Column("swap_mib", sa.Integer, nullable=False, default=0),
    sa.Column("rxtx_factor", sa.Double(), nullable=False, default=1.0),
    sa.Column("is_public", sa.Boolean, nullable=False, default=True),
    sa.Column("disabled", sa.Boolean, nullable=False, default=False),
    sa.Column("description", sa.Text),
    sa.Column("extra_specs", Json, nullable=False),
    epoch("created_at", nullable=False),
    epoch("updated_at"),
)

flavor_access = sa.Table(
    "flavor_access",
    METADATA,
    sa.Column("flavor_id", sa.String(255), sa.ForeignKey("flavors.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("project_id", sa.String(64), primary_key=True),
)

keypairs = sa.Table(
    "keypairs",
    METADATA,
    sa.Column("user_id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("id", sa.BigInteger, nullable=False, unique=True),  # a number, as the API shows one
    sa.Column("type", sa.String(16), nullable=False),
    sa.Column("fingerprint", sa.String(255), nullable=False),
    sa.Column("public_key", sa.Text, nullable=False),
    epoch("created_at", nullable=False),
)

# What a guest wrote by the metadata service, encrypted by its user's key.
server_passwords = sa.Table(
    "server_passwords",
    METADATA,
    uuid_column("server_id", primary_key=True),
    sa.Column("password", sa.Text, nullable=False),
)

# Tokens of consoles that were asked for and not yet opened. What the user holds is not here: only its hash is.
console_tokens = sa.Table(
    "console_tokens",
    METADATA,
    sa.Column("token_hash", sa.String(64), primary_key=True),
    uuid_column("server_id", nullable=False),
    sa.Column("type", sa.String(16), nullable=False),
    sa.Column("address", sa.String(255), nullable=False),
    sa.Column("port", sa.Integer, nullable=False),
    sa.Column("holder", Json, nullable=False),
    sa.Column("ends_at", sa.Double(), nullable=False),  # of the database's own clock
    sa.Column("boot_id", sa.String(36)),  # SQLite only: whose CLOCK_BOOTTIME it is
    sa.Index("ix_console_tokens_ends_at", "ends_at"),
)
