"""Hosts, what is claimed on them, and what they still owe."""

from __future__ import annotations

import sqlalchemy as sa

from nova_lite.db.types import METADATA, Json, epoch, uuid_column

hosts = sa.Table(
    "hosts",
    METADATA,
    sa.Column("name", sa.String(255), primary_key=True),
    uuid_column("uuid", nullable=False, unique=True),
    sa.Column("number", sa.Integer, nullable=False, unique=True),  # the integer id of old microversions
    sa.Column("facts", Json),  # None until it registers
    sa.Column("zone", sa.String(255), nullable=False, default="nova"),  # an aggregate's, else its own
    sa.Column("own_zone", sa.String(255)),  # what `zone` returns to when no aggregate names one; NULL: `zone` is it
    sa.Column("mac_key", sa.String(128), nullable=False),  # with which its reports are signed; a secret
    sa.Column("vcpus_limit", sa.Integer, nullable=False, default=0),
    sa.Column("vcpus_used", sa.Integer, nullable=False, default=0),
    sa.Column("ram_mib_limit", sa.Integer, nullable=False, default=0),
    sa.Column("ram_mib_used", sa.Integer, nullable=False, default=0),
    sa.Column("disk_gib_limit", sa.Integer, nullable=False, default=0),
    sa.Column("disk_gib_used", sa.Integer, nullable=False, default=0),
    sa.Column("pcpus_limit", sa.Integer, nullable=False, default=0, server_default="0"),  # CPUs for one guest each
    sa.Column("pcpus_used", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("pages_2m_limit", sa.Integer, nullable=False, default=0, server_default="0"),  # huge pages, by their size
    sa.Column("pages_2m_used", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("pages_1g_limit", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("pages_1g_used", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("generation", sa.BigInteger, nullable=False, default=0),
    sa.Column("incarnation", sa.BigInteger, nullable=False, default=0),
    sa.Column("look_incarnation", sa.BigInteger),  # the newest look at its guests that a heartbeat told of. It names its own
    sa.Column("look_number", sa.BigInteger),  # incarnation: conductors of release 1.0 do not begin anew with each
    sa.Column("enabled", sa.Boolean, nullable=False, default=True),
    sa.Column("disabled_reason", sa.String(255)),
    epoch("maintenance_since"),  # wall clock: it is being emptied for work on it, or is empty
    sa.Column("forced_down", sa.Boolean, nullable=False, default=False),
    epoch("last_seen_at"),  # journal clock
    sa.Column("seen_boot_id", sa.String(36)),
    sa.Column("failed_in_row", sa.Integer, nullable=False, default=0, server_default="0"),  # builds, since the last good one
    epoch("set_aside_until"),  # journal clock: gets no new servers before, after too many failures in a row
    sa.Column("set_aside_reason", sa.Text),
    epoch("updated_at"),  # wall clock
)

claims = sa.Table(
    "claims",
    METADATA,
    uuid_column("server_id", primary_key=True),
    sa.Column("role", sa.String(16), primary_key=True),
    sa.Column("host", sa.String(255), sa.ForeignKey("hosts.name"), nullable=False),
    sa.Column("vcpus", sa.Integer, nullable=False),
    sa.Column("ram_mib", sa.Integer, nullable=False),
    sa.Column("disk_gib", sa.Integer, nullable=False),
    sa.Column("pcpus", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("pages_2m", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("pages_1g", sa.Integer, nullable=False, default=0, server_default="0"),
    epoch("created_at", nullable=False),
    sa.Index("ix_claims_host", "host"),
)

tombstones = sa.Table(
    "tombstones",
    METADATA,
    sa.Column("host", sa.String(255), sa.ForeignKey("hosts.name"), primary_key=True),
    uuid_column("server_id", primary_key=True),
    sa.Column("fence", sa.BigInteger, nullable=False),
    sa.Column("turn", sa.BigInteger, nullable=False),
    epoch("created_at", nullable=False),
)

services = sa.Table(
    "services",
    METADATA,
    uuid_column("uuid", primary_key=True),
    sa.Column("number", sa.Integer, nullable=False, unique=True),
    sa.Column("binary", sa.String(64), nullable=False),  # nova-conductor, nova-scheduler: as the API names them
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("zone", sa.String(255), nullable=False, default="internal"),
    sa.Column("enabled", sa.Boolean, nullable=False, default=True),
    sa.Column("disabled_reason", sa.String(255)),
    epoch("last_seen_at"),  # journal clock
    sa.Column("seen_boot_id", sa.String(36)),
    epoch("updated_at"),  # wall clock
    sa.UniqueConstraint("binary", "host"),
)

# Guests that a host sees and no record explains: said to operators, never destroyed.
strangers = sa.Table(
    "strangers",
    METADATA,
    sa.Column("host", sa.String(255), sa.ForeignKey("hosts.name", ondelete="CASCADE"), primary_key=True),
    uuid_column("server_id", primary_key=True),
    epoch("seen_at", nullable=False),  # wall clock: when it was seen first
)

# What was mended because books and truth differed, by whom; kept as long as the history of operations.
repairs = sa.Table(
    "repairs",
    METADATA,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("check_name", sa.String(32), nullable=False),
    sa.Column("subject", sa.String(255), nullable=False),
    sa.Column("problem", sa.Text, nullable=False),
    sa.Column("done", sa.Text, nullable=False),
    sa.Column("repaired_by", sa.String(64), nullable=False),
    epoch("repaired_at", nullable=False),  # wall clock
    sa.Index("ix_repairs_repaired_at", "repaired_at"),
)
